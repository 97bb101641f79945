import CExt2FS
import Journal

// The one place, beside the accessors in Inode.swift, where fields of an inode come out of its on-disk form. Fields that may have any
// value on a damaged image are judged when the inode is read, by the rules of ext4_iget (fs/ext4/inode.c), so that their users need
// not judge them again. Metadata lock held, unless it says otherwise.
extension Inode {
  /// EUCLEAN for an inode in use whose fields contradict themselves or the file system.
  func judge() throws(Ext4Error) {
    try judgeExtraFields()
    try judgeSize()
    if let block = attributeBlock {
      guard volume.contains(BlockNumber(block)) else {
        throw .corrupted(number, what: "its extended attribute block lies outside the file system")
      }
      guard volume.isForFiles(BlockNumber(block)) else {
        throw .corrupted(number, what: "its extended attribute block is the file system's own")
      }
    }
  }

  private func judgeExtraFields() throws(Ext4Error) {
    let room = volume.inodeSize - MemoryLayout<ext2_inode>.size
    guard room > 0 else { return }
    guard extraFieldsSize <= room, extraFieldsSize % 4 == 0 else {
      throw .corrupted(number, what: "its fields do not fit into it")
    }
  }

  private func judgeSize() throws(Ext4Error) {
    // Whatever its kind: nothing below has to reckon with more than the map can describe.
    guard Unchecked(size).ifIn(0...mapEnd.rawValue) != nil else {
      throw .corrupted(number, what: "its size is impossible")
    }
    switch fileType {
    case .directory:
      guard size >> volume.blockShift <= volume.blockCount else {
        throw .corrupted(number, what: "a directory is larger than its file system")
      }
    case .symbolicLink:
      guard Unchecked(size).ifIn(1...UInt64(volume.blockSize - 1)) != nil,
        !isFastSymbolicLink || size < UInt64(Self.inlineCapacity)
      else { throw .corrupted(number, what: "a symbolic link has an impossible length") }
    default: break
    }
  }

  /// Bytes of fields behind the classic 128 (`i_extra_isize`); 0 where there are none. Within the inode once that has been judged.
  var extraFieldsSize: Int {
    get {
      volume.inodeSize > MemoryLayout<ext2_inode>.size ? Int(raw.pointee.i_extra_isize) : 0
    }
    set { raw.pointee.i_extra_isize = UInt16(newValue) }
  }

  /// The 60 bytes of `i_block`: a block map, an extent tree's root, or what takes its place. Nothing in it has been judged.
  var blockField: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(
      start: UnsafeMutableRawPointer(raw) + Self.blockFieldOffset, count: Self.inlineCapacity)
  }

  /// Bytes 40 to 99 of every inode.
  private static let blockFieldOffset = 40

  /// The flags without any lock: those that never change while the inode is used, or of which any moment's value will do.
  var flagsNow: InodeFlags { InodeFlags(rawValue: raw.pointee.i_flags) }

  /// The size that the on-disk form says: 64 bits for regular files, and for directories that may be large; 32 for all others
  /// (ext4_isize).
  static func size(
    _ raw: UnsafeMutablePointer<ext2_inode_large>, _ features: Features
  ) -> UInt64 {
    let isWide =
      raw.pointee.i_mode & 0o170000 == 0o100000 || features.incompatible.contains(.largeDirectory)
    return UInt64(isWide ? raw.pointee.i_size_high : 0) << 32 | UInt64(raw.pointee.i_size)
  }
}
