import CExt2FS
import Glibc
import Journal

/// Where values with certain checksums are known to be, so that attributes with equal values share an inode (the kernel's
/// `ea_inode_cache`). Belongs to the metadata lock.
struct SharableValues {
  /// By checksum; of several inodes with one checksum the last that was seen.
  private var inodes: [UInt32: InodeNumber] = [:]

  /// More than this and all are forgotten: what is in use is soon seen again.
  private static let capacity = 4096

  mutating func insert(_ inode: Inode) {
    if inodes.count >= Self.capacity { inodes.removeAll(keepingCapacity: true) }
    inodes[inode.valueHash] = inode.number
  }

  /// To be called before the inode is freed.
  mutating func remove(_ inode: Inode) {
    if inodes[inode.valueHash] == inode.number { inodes[inode.valueHash] = nil }
  }

  func candidate(hash: UInt32) -> InodeNumber? { inodes[hash] }
}

// Metadata lock held, for all of this.
extension Volume {
  /// Where a value of `count` bytes may be put, in the order of preference: false for beside its entry, true for in an inode
  /// (fs/ext4/xattr.c, ext4_xattr_set_handle).
  func valuePlacements(ofSize count: Int) -> [Bool] {
    guard features.incompatible.contains(.attributeInodes), count > 0 else { return [false] }
    // EXT4_XATTR_MIN_LARGE_EA_SIZE: what an attribute block holds of one attribute with a name of three bytes.
    let largest =
      blockSize - AttributeEntry.byteCount(nameLength: 3) - AttributeBlock.headerSize - 4
    return AttributeEntry.padded(count) > largest ? [true] : [false, true]
  }

  func blocks(forValueOf count: Int) -> UInt64 {
    UInt64((count + blockSize - 1) / blockSize)
  }

  /// What is kept of a value to know it by (ext4_xattr_inode_hash).
  func valueChecksum(_ value: UnsafeRawBufferPointer) -> UInt32 {
    ext2fs_crc32c_le(
      superblock.checksumSeed, value.baseAddress?.assumingMemoryBound(to: UInt8.self), value.count)
  }

  /// An inode that holds exactly this value, if one is known.
  fileprivate func sharableValue(
    equalTo value: UnsafeRawBufferPointer, checksum: UInt32
  ) throws(Ext4Error) -> Inode? {
    guard let number = sharableValues.candidate(hash: checksum) else { return nil }
    let inode = try inode(number)
    guard inode.flags.contains(.attributeValue), inode.isRegularFile, inode.linkCount > 0,
      inode.valueReferences > 0, inode.valueHash == checksum, inode.size == UInt64(value.count)
    else { return nil }
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: value.count, alignment: 8)
    defer { bytes.deallocate() }
    try inode.readBlocks(into: bytes)
    return memcmp(bytes.baseAddress!, value.baseAddress!, value.count) == 0 ? inode : nil
  }
}

// Metadata lock held, for all of this.
extension Inode {
  /// The longest value that setxattr(2) takes (XATTR_SIZE_MAX).
  static let maximumNewValueSize = 1 << 16

  /// Calls `body` with `value` in the form in which an attribute of this inode is to hold it. An inode with the value is
  /// referred to meanwhile, and freed if nothing else does in the end.
  func withContent(
    _ value: UnsafeRawBufferPointer, inInode: Bool,
    _ body: (AttributeContent) throws(Ext4Error) -> Void
  ) throws(Ext4Error) {
    guard inInode else { return try body(.bytes(value)) }
    guard value.count <= Self.maximumNewValueSize else { throw .errno(.argListTooLong) }
    let checksum = volume.valueChecksum(value)
    let inode: Inode
    if let known = try volume.sharableValue(equalTo: value, checksum: checksum) {
      try known.changeValueReferences(by: 1)
      inode = known
    } else {
      inode = try makeValueInode(holding: value, checksum: checksum)
    }
    do throws(Ext4Error) {
      try body(.inode(inode))
    } catch {
      try inode.changeValueReferences(by: -1)
      throw error
    }
    try inode.changeValueReferences(by: -1)
  }

  /// A new inode with `value`, of this inode's owner, that one reference is counted for (ext4_xattr_inode_create).
  private func makeValueInode(
    holding value: UnsafeRawBufferPointer, checksum: UInt32
  ) throws(Ext4Error) -> Inode {
    let inode = try volume.allocateInode(
      in: self, mode: 0o100600, userID: userID, groupID: groupID)
    do throws(Ext4Error) {
      inode.flags = .attributeValue
      inode.linkCount = 1
      inode.initializeBlockMap()
      // These fields hold other things here, for which their extensions by further bits must be 0.
      inode.accessTime = Timestamp(seconds: 0, nanoseconds: 0)
      inode.changeTime = inode.accessTime
      inode.withRaw {
        ext2fs_set_ea_inode_ref($0, 1)
        ext2fs_set_ea_inode_hash($0, checksum)
      }
      try inode.fillBlocks(with: value)
      inode.size = UInt64(value.count)
      try inode.store()
    } catch {
      volume.undo { () throws(Ext4Error) in try volume.freeInode(inode) }
      throw error
    }
    volume.sharableValues.insert(inode)
    return inode
  }

  /// Values are metadata, and journalled as such.
  private func fillBlocks(with value: UnsafeRawBufferPointer) throws(Ext4Error) {
    let count = volume.blocks(forValueOf: value.count)
    let taken = try takeBlocks(from: 0, to: count)
    var recorded = 0
    do throws(Ext4Error) {
      guard taken.reduce(0, { $0 + UInt64($1.count) }) == count else { throw .errno(.noSpace) }
      for extent in taken {
        try record(extent)
        recorded += 1
        for block in extent.logical..<UInt32(extent.end) {
          let start = Int(block) * volume.blockSize
          let part = value[start..<min(start + volume.blockSize, value.count)]
          try writeMetadata(part, to: extent.physical + UInt64(block - extent.logical))
        }
      }
    } catch {
      giveBack(Array(taken[recorded...]))
      throw error
    }
  }

  private func writeMetadata(
    _ bytes: Slice<UnsafeRawBufferPointer>, to block: BlockNumber
  ) throws(Ext4Error) {
    let buffer = try volume.newBlock(block, of: number)
    buffer.data.copyMemory(
      from: UnsafeRawBufferPointer(rebasing: bytes).baseAddress!, byteCount: bytes.count)
    volume.cache.markDirty(buffer)
  }
}

// How much a change of attributes takes of a transaction, and what is done about more.
extension Inode {
  /// The blocks that setting or removing an attribute may change at most. Metadata lock held.
  func attributeCredits(valueSize: Int) throws(Ext4Error) -> Int {
    guard volume.features.incompatible.contains(.attributeInodes) else { return Credits.ordinary }
    var credits = Credits.ordinary
    if volume.valuePlacements(ofSize: valueSize).contains(true) {
      credits += Int(volume.blocks(forValueOf: min(valueSize, Self.maximumNewValueSize)))
    }
    // An inode that leaves a shared block refers to all values of that block by itself.
    if let block = try readAttributeBlock() { credits += try valueInodes(in: block.area).count }
    return credits
  }

  /// Drops attributes of this inode, which is being freed, whose values are in inodes: as many as one step may, and not those that
  /// other inodes share. Returns whether none is left. Metadata lock held.
  func dropSomeValues() throws(Ext4Error) -> Bool {
    guard volume.features.incompatible.contains(.attributeInodes), hasAttributes else {
      return true
    }
    var budget = RemovalBudget(volume)
    while budget.allowsAnother() {
      let body = try readBodyArea()
      let block = try readAttributeBlock().flatMap { $0.isShared ? nil : $0 }
      guard
        let entry = body?.entries.first(where: { $0.valueInode != nil })
          ?? block?.area.entries.first(where: { $0.valueInode != nil }),
        let namespace = AttributeNamespace(rawValue: entry.fields.pointee.e_name_index)
      else { return true }
      let suffix = Array(entry.name)
      let result = suffix.withUnsafeBytes { bytes in
        Result { () throws(Ext4Error) in
          try change(AttributeName(namespace: namespace, suffix: bytes), to: nil, .replace)
        }
      }
      _ = try result.get()
    }
    return false
  }
}
