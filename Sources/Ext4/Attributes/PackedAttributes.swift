import CExt2FS
import Glibc

/// What an attribute is set to: a value that stands beside its entry, or in an inode.
enum AttributeContent {
  case bytes(UnsafeRawBufferPointer)
  case inode(Inode)

  var valueInode: Inode? {
    if case .inode(let inode) = self { inode } else { nil }
  }
}

/// The new contents of an `AttributeArea`, built apart from it so that a change that fails leaves all as it
/// was. Unused bytes are zero.
struct PackedAttributes: ~Copyable {
  let bytes: UnsafeMutableRawPointer
  private let firstEntry: Int
  private let size: Int
  /// Blocks keep hashes of values, inode bodies (as the kernel has it) do not.
  private let hashesValues: Bool
  private var entryOffset: Int
  private var valueOffset: Int

  private init(size: Int, firstEntry: Int) {
    bytes = .allocate(byteCount: size, alignment: 8)
    memset(bytes, 0, size)
    self.size = size
    self.firstEntry = firstEntry
    hashesValues = firstEntry > 0
    entryOffset = firstEntry
    valueOffset = size
  }

  /// What `area` holds, with `name` set to `value`, or left out when `value` is nil. EUCLEAN when that does
  /// not fit although it should, because values on disk overlap.
  init(
    _ area: AttributeArea, setting name: AttributeName, to value: AttributeContent?, of owner: Inode
  ) throws(Ext4Error) {
    self.init(size: area.size, firstEntry: area.firstEntry)
    var isPending = value != nil
    for entry in area.entries {
      let order = entry.order(against: name)
      if isPending, let value, order > 0 {
        try append(name, value, of: owner)
        isPending = false
      }
      if order != 0 { try append(entry, of: area, owner) }
    }
    if isPending, let value { try append(name, value, of: owner) }
  }

  /// The contents of a new block with one attribute, or none.
  init(
    blockSize: Int, holding name: AttributeName, value: AttributeContent?, of owner: Inode
  ) throws(Ext4Error) {
    self.init(size: blockSize, firstEntry: AttributeBlock.headerSize)
    if let value { try append(name, value, of: owner) }
  }

  /// What `area` holds, in a place of another size.
  init(moving area: AttributeArea, toSize size: Int, of owner: Inode) throws(Ext4Error) {
    self.init(size: size, firstEntry: area.firstEntry)
    for entry in area.entries { try append(entry, of: area, owner) }
  }

  deinit { bytes.deallocate() }

  var isEmpty: Bool { entryOffset == firstEntry }

  var area: AttributeArea {
    AttributeArea(start: bytes, firstEntry: firstEntry, size: size, isInUse: true)
  }

  /// `h_hash` of a block with these attributes. Nil when an entry has no hash, which keeps the block from
  /// being found as the equal of another (ext4_xattr_rehash).
  var hash: UInt32? {
    var hash: UInt32 = 0
    for entry in area.entries {
      guard entry.fields.pointee.e_hash != 0 else { return nil }
      hash = AttributeHash.adding(entry.fields.pointee.e_hash, to: hash)
    }
    return hash == 0 ? nil : hash
  }

  private mutating func append(
    _ name: AttributeName, _ value: AttributeContent, of owner: Inode
  ) throws(Ext4Error) {
    let entry = try appendEntry(name.namespace.rawValue, name.suffix, owner)
    switch value {
    case .bytes(let bytes):
      let stored = try append(bytes, of: entry, owner)
      if hashesValues {
        entry.fields.pointee.e_hash = AttributeHash.of(name: entry.name, paddedValue: stored)
      }
    case .inode(let inode):
      entry.fields.pointee.e_value_inum = inode.number.rawValue
      entry.fields.pointee.e_value_size = UInt32(inode.size)
      entry.fields.pointee.e_hash = AttributeHash.adding(
        inode.valueHash, to: AttributeHash.of(name: entry.name))
    }
  }

  private mutating func append(
    _ old: AttributeEntry, of area: AttributeArea, _ owner: Inode
  ) throws(Ext4Error) {
    let entry = try appendEntry(old.fields.pointee.e_name_index, old.name, owner)
    entry.fields.pointee.e_hash = old.fields.pointee.e_hash
    if let inode = old.valueInode {
      entry.fields.pointee.e_value_inum = inode.rawValue
      entry.fields.pointee.e_value_size = old.fields.pointee.e_value_size
    } else {
      _ = try append(area.value(of: old), of: entry, owner)
    }
  }

  private mutating func appendEntry(
    _ namespace: UInt8, _ name: UnsafeRawBufferPointer, _ owner: Inode
  ) throws(Ext4Error) -> AttributeEntry {
    let length = AttributeEntry.byteCount(nameLength: name.count)
    try require(length, owner)
    let entry = AttributeEntry(
      fields: (bytes + entryOffset).assumingMemoryBound(to: ext2_ext_attr_entry.self))
    entry.fields.pointee.e_name_len = UInt8(name.count)
    entry.fields.pointee.e_name_index = namespace
    UnsafeMutableRawBufferPointer(mutating: entry.name).copyMemory(from: name)
    entryOffset += length
    return entry
  }

  /// Returns the stored value with its padding.
  private mutating func append(
    _ value: UnsafeRawBufferPointer, of entry: AttributeEntry, _ owner: Inode
  ) throws(Ext4Error) -> UnsafeRawBufferPointer {
    let length = AttributeEntry.padded(value.count)
    try require(length, owner)
    guard length > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    valueOffset -= length
    let stored = UnsafeMutableRawBufferPointer(start: bytes + valueOffset, count: length)
    stored.copyMemory(from: value)
    entry.fields.pointee.e_value_offs = UInt16(valueOffset)
    entry.fields.pointee.e_value_size = UInt32(value.count)
    return UnsafeRawBufferPointer(stored)
  }

  private func require(_ length: Int, _ owner: Inode) throws(Ext4Error) {
    guard length + MemoryLayout<UInt32>.size <= valueOffset - entryOffset else {
      throw .corrupted(owner.number, what: "values of extended attributes overlap")
    }
  }
}
