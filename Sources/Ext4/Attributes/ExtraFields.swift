import CExt2FS
import Glibc

// Inodes that were made when fewer fields were wanted behind the classic 128 bytes get room for the newer ones when they are changed,
// as with the kernel (fs/ext4/inode.c, ext4_try_to_expand_extra_isize). Metadata lock held, for all of this.
extension Inode {
  /// Grows `i_extra_isize` to what the superblock wants, or, where that does not fit, at least to what it demands. Attributes in the
  /// inode move behind the fields, or, as far as needed, into the attribute block. The caller stores the inode.
  func growExtraFields() throws(Ext4Error) {
    let size = extraFieldsSize
    let wanted = Int(volume.geometry.extraInodeSize)
    guard volume.inodeSize > MemoryLayout<ext2_inode>.size, size > 0, size % 4 == 0, size < wanted,
      volume.features.readOnlyCompatible.contains(.extraInodeSize),
      // Part of a file's data would have to move.
      !hasInlineData.load(ordering: .relaxed)
    else { return }
    let demanded = volume.geometry.minimumExtraInodeSize
    for target in [wanted, demanded] where target > size && target % 4 == 0 {
      guard let body = try readBodyArea(), target - size < body.size else { continue }
      if try makeRoom(in: body, bytes: target - size) { return try setExtraFields(to: target) }
    }
  }

  /// Whether the attributes in the inode leave `bytes` free, after some have moved to the block if need be.
  private func makeRoom(in body: AttributeArea, bytes: Int) throws(Ext4Error) -> Bool {
    guard let block = try readAttributeBlock() else {
      return try makeRoom(
        in: body, bytes: bytes, blockBytes: volume.blockSize - AttributeBlock.headerSize - 4)
    }
    return try makeRoom(in: body, bytes: bytes, blockBytes: block.area.freeByteCount)
  }

  private func makeRoom(
    in body: AttributeArea, bytes: Int, blockBytes: Int
  ) throws(Ext4Error) -> Bool {
    guard body.freeByteCount + blockBytes >= bytes else { return false }
    var left = blockBytes
    while body.freeByteCount < bytes {
      let missing = bytes - body.freeByteCount
      let movable = body.entries.filter {
        $0.valueInode == nil && $0.namespace != nil && $0.totalByteCount <= left
      }
      // The smallest that is enough, or else the largest.
      let enough = movable.filter { $0.totalByteCount >= missing }
      guard
        let entry = enough.min(by: { $0.totalByteCount < $1.totalByteCount })
          ?? movable.max(by: { $0.totalByteCount < $1.totalByteCount }),
        let namespace = entry.namespace
      else { return false }
      left -= entry.totalByteCount
      let name = AttributeName(namespace: namespace, suffix: entry.name)
      try changeBlock(try readAttributeBlock(), name, to: .bytes(body.value(of: entry)))
      try changeBody(body, name, to: nil)
    }
    return true
  }

  /// The attributes in the inode leave room for that.
  private func setExtraFields(to size: Int) throws(Ext4Error) {
    guard let body = try readBodyArea() else { return }
    let old = extraFieldsSize
    let packed = try PackedAttributes(moving: body, toSize: body.size - (size - old), of: self)
    memset(UnsafeMutableRawPointer(raw) + MemoryLayout<ext2_inode>.size + old, 0, size - old)
    extraFieldsSize = size
    replaceBody(with: packed)
  }
}

extension AttributeArea {
  /// Bytes between entries and values that one more attribute may take.
  fileprivate var freeByteCount: Int {
    entries.reduce(size - firstEntry - MemoryLayout<UInt32>.size) { $0 - $1.totalByteCount }
  }
}

extension AttributeEntry {
  fileprivate var totalByteCount: Int { byteCount + valueByteCount }

  fileprivate var namespace: AttributeNamespace? {
    AttributeNamespace(rawValue: fields.pointee.e_name_index)
  }
}
