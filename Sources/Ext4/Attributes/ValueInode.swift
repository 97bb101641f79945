import CExt2FS
import Journal

// The ea_inode feature: a value too large for the places at the inode lies in an inode of its own. It has
// no name; entries of any number of inodes refer to it and are counted in it. Its `i_ctime` and `i_version`
// hold that count, `i_atime` a checksum of the value (fs/ext4/xattr.c, ext4_xattr_inode_get_ref and
// ext4_xattr_inode_get_hash). Metadata lock held, for all of this.
extension Inode {
  /// The inode that holds the value of `entry`, an entry of this inode; nil when the value is in the area.
  func valueInode(of entry: AttributeEntry) throws(Ext4Error) -> Inode? {
    guard let number = entry.valueInode else { return nil }
    let inode = try volume.inode(number)
    // No attributes of its own: freeing it frees no further values, whatever the image says.
    guard inode.flags.contains(.attributeValue), inode.isRegularFile, inode.linkCount > 0,
      inode.valueReferences > 0, inode.attributeBlock == nil, !inode.hasBodyAttributes
    else {
      throw .corrupted(self.number, what: "an extended attribute refers to an unsuitable inode")
    }
    return inode
  }

  /// Blocks that count against this inode for an entry of it whose value is in an inode. Each inode that shares the value counts them
  /// (ext4_xattr_inode_alloc_quota).
  func valueBlocks(of entry: AttributeEntry?) -> UInt64 {
    guard let entry, entry.valueInode != nil else { return 0 }
    return volume.blocks(forValueOf: entry.valueSize)
  }

  /// The inodes that hold values of those entries of `area`, an area of this inode, that are asked for; each
  /// as often as it is referred to. All are fit to be counted and freed.
  func valueInodes(
    in area: AttributeArea, where isWanted: (AttributeEntry) -> Bool = { _ in true }
  ) throws(Ext4Error) -> [InodeNumber] {
    var inodes: [InodeNumber] = []
    for entry in area.entries where isWanted(entry) {
      guard let inode = try valueInode(of: entry) else { continue }
      try inode.requireStorable()
      inodes.append(inode.number)
    }
    return inodes
  }

  /// Counts that this inode refers to each of `values` once more, or once less.
  func changeReferences(
    to values: [InodeNumber], by difference: Int64
  ) throws(Ext4Error) {
    // Looked up one by one: a number that stands there twice may be freed when its turn comes again.
    for value in values { try volume.inode(value).changeValueReferences(by: difference) }
  }

  /// Reads the value of `entry`, an entry of this inode, from `inode`. EUCLEAN when it is not what the
  /// hashes say.
  func readValue(of entry: AttributeEntry, from inode: Inode) throws(Ext4Error) -> [UInt8] {
    let count = entry.valueSize
    guard inode.size == UInt64(count) else {
      throw .corrupted(number, what: "the inode of an extended attribute's value has another size")
    }
    var value = [UInt8](repeating: 0, count: count)
    let result = value.withUnsafeMutableBytes { bytes in
      Result { () throws(Ext4Error) in try inode.readBlocks(into: bytes) }
    }
    try result.get()
    let checksum = value.withUnsafeBytes { volume.valueChecksum($0) }
    guard checksum == inode.valueHash,
      entry.fields.pointee.e_hash
        == AttributeHash.adding(checksum, to: AttributeHash.of(name: entry.name))
        || entry.fields.pointee.e_hash
          == AttributeHash.adding(checksum, to: AttributeHash.signed(name: entry.name))
    else { throw .corrupted(number, what: "an extended attribute's value has a wrong hash") }
    volume.sharableValues.insert(inode)
    return value
  }

  /// Reads the value that this inode holds, `bytes.count` bytes. They are metadata: a change that is not committed is in the
  /// cache, and one that is not on the device yet in the log.
  func readBlocks(into bytes: UnsafeMutableRawBufferPointer) throws(Ext4Error) {
    var logical: UInt32 = 0
    for start in stride(from: 0, to: bytes.count, by: volume.blockSize) {
      let end = min(start + volume.blockSize, bytes.count)
      guard let block = try block(at: LogicalBlock(logical)) else {
        throw .corrupted(number, what: "an extended attribute's value has a hole")
      }
      let buffer = try volume.readBlock(block, of: number)
      UnsafeMutableRawBufferPointer(rebasing: bytes[start..<end]).copyMemory(
        from: UnsafeRawBufferPointer(start: buffer.data, count: end - start))
      logical += 1
    }
  }

  /// The checksum that is kept of the value.
  var valueHash: UInt32 { withRaw { ext2fs_get_ea_inode_hash($0) } }

  var valueReferences: UInt64 { withRaw { ext2fs_get_ea_inode_ref($0) } }

  /// Counts references to this inode, which holds a value, and frees it when none is left. EUCLEAN when
  /// that has happened before: more entries refer to it than are counted.
  func changeValueReferences(by difference: Int64) throws(Ext4Error) {
    guard valueReferences > 0, linkCount > 0 else {
      throw .corrupted(number, what: "it holds an attribute's value and counts too few references")
    }
    try requireStorable()
    let references = valueReferences &+ UInt64(bitPattern: difference)
    withRaw { ext2fs_set_ea_inode_ref($0, references) }
    if references == 0 {
      linkCount = 0
      volume.sharableValues.remove(self)
      try volume.freeInode(self)
    } else {
      try store()
    }
  }
}
