import CExt2FS
import Glibc
import Journal

/// A block of attributes, which inodes with equal attributes may share.
struct AttributeBlock {
  let buffer: BlockCache.Buffer
  let area: AttributeArea

  static let headerSize = MemoryLayout<ext2_ext_attr_header>.size
  /// `h_magic`, and the magic number of attributes in an inode body.
  static let magic: UInt32 = 0xEA02_0000
  /// The most inodes that may share a block (EXT4_XATTR_REFCOUNT_MAX).
  static let maximumReferences: UInt32 = 1024

  init(_ buffer: BlockCache.Buffer, size: Int) {
    self.buffer = buffer
    area = AttributeArea(
      start: buffer.data, firstEntry: Self.headerSize, size: size, isInUse: true)
  }

  var header: UnsafeMutablePointer<ext2_ext_attr_header> {
    buffer.data.assumingMemoryBound(to: ext2_ext_attr_header.self)
  }

  /// True when a new block of `blockSize` bytes can hold the attribute.
  static func hasRoom(
    for name: AttributeName, valueSize: Int, blockSize: Int, entryReserve: Int
  ) -> Bool {
    let valueBytes = AttributeEntry.padded(valueSize)
    return headerSize + AttributeArea.byteCount(of: name, valueSize: valueSize) <= blockSize
      && (valueBytes == 0 || blockSize - valueBytes >= entryReserve)
  }

  var isShared: Bool { header.pointee.h_refcount > 1 }
}

// Metadata lock held, for all of them.
extension Inode {
  /// The inode's attribute block, checked; nil when it has none.
  func readAttributeBlock() throws(Ext4Error) -> AttributeBlock? {
    guard let number = attributeBlock else { return nil }
    let buffer = try volume.readBlock(BlockNumber(number), of: self.number)
    let block = AttributeBlock(buffer, size: volume.blockSize)
    guard block.header.pointee.h_magic == AttributeBlock.magic, block.header.pointee.h_blocks == 1,
      block.header.pointee.h_refcount > 0
    else {
      throw .corrupted(self.number, what: "its extended attribute block has a bad header")
    }
    if buffer.verifiedAs != .attributes {
      guard
        ext2fs_ext_attr_block_csum_verify(
          volume.fs, self.number.rawValue, number, block.header) != 0
      else {
        throw .corrupted(self.number, what: "its extended attribute block has a wrong checksum")
      }
      buffer.verifiedAs = .attributes
      volume.sharableBlocks.insert(block)
    }
    // Each time: what else may have verified the buffer, on an image where the block has two owners, did
    // not look for this.
    try block.area.check(self)
    return block
  }

  /// Makes `packed` the contents of the inode's attribute block, which is `old` now. A shared block is left
  /// to the others. `changed` is the name whose entry in `old` is gone or replaced, and `value` what it has now. ENOSPC. Does not
  /// store the inode.
  func replace(
    _ old: AttributeBlock?, with packed: borrowing PackedAttributes, changed: AttributeName,
    value: AttributeContent?
  ) throws(Ext4Error) {
    if packed.isEmpty {
      if let old { try release(old) }
    } else if let equal = volume.sharableBlock(equalTo: packed, besides: old?.buffer.block) {
      if let old { try release(old) }
      equal.header.pointee.h_refcount += 1
      addBlocks(1)
      try seal(equal)
      setAttributeBlock(equal.buffer.block)
    } else if let old, !old.isShared {
      let dropped = try valueInodes(in: old.area) { $0.matches(changed) }
      try value?.valueInode?.changeValueReferences(by: 1)
      try write(packed, to: old.buffer)
      try changeReferences(to: dropped, by: -1)
    } else {
      try moveToNewBlock(packed, from: old)
    }
  }

  private func moveToNewBlock(
    _ packed: borrowing PackedAttributes, from old: AttributeBlock?
  ) throws(Ext4Error) {
    // These references are additional ones: the old block is shared and keeps its own.
    let values = try valueInodes(in: packed.area)
    let block = try volume.allocateMetadataBlock(for: self)
    do throws(Ext4Error) {
      try write(packed, to: try volume.newBlock(block, of: number))
      try changeReferences(to: values, by: 1)
      if let old { try release(old) }
    } catch {
      try volume.freeMetadataBlock(block, of: self)
      throw error
    }
    setAttributeBlock(block)
  }

  /// Gives up the inode's reference to `block`, its attribute block, and frees it when that was the last.
  /// Does not store the inode.
  func release(_ block: AttributeBlock) throws(Ext4Error) {
    if block.isShared {
      block.header.pointee.h_refcount -= 1
      try seal(block)
      // Every inode that shares a block counts it as its own. A count that is too low already stays so.
      removeBlocks(1)
      setAttributeBlock(nil)
    } else {
      let values = try valueInodes(in: block.area)
      volume.sharableBlocks.remove(block)
      try volume.freeMetadataBlock(block.buffer.block, of: self)
      setAttributeBlock(nil)
      try changeReferences(to: values, by: -1)
    }
  }

  private func write(
    _ packed: borrowing PackedAttributes, to buffer: BlockCache.Buffer
  ) throws(Ext4Error) {
    let block = AttributeBlock(buffer, size: volume.blockSize)
    volume.sharableBlocks.remove(block)
    memcpy(buffer.data, packed.bytes, volume.blockSize)
    block.header.pointee.h_magic = AttributeBlock.magic
    block.header.pointee.h_refcount = 1
    block.header.pointee.h_blocks = 1
    block.header.pointee.h_hash = packed.hash ?? 0
    volume.sharableBlocks.insert(block)
    try seal(block)
  }

  /// Puts the checksum on a changed block.
  private func seal(_ block: AttributeBlock) throws(Ext4Error) {
    let code = ext2fs_ext_attr_block_csum_set(
      volume.fs, number.rawValue, block.buffer.block.rawValue, block.header)
    try check(code, "computing the checksum of its extended attribute block", number)
    block.buffer.verifiedAs = .attributes
    volume.cache.markDirty(block.buffer)
  }

  private func setAttributeBlock(_ block: BlockNumber?) {
    withRaw { ext2fs_file_acl_block_set(volume.fs, $0, block?.rawValue ?? 0) }
  }
}
