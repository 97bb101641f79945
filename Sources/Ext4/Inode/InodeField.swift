import CExt2FS

/// A 32-bit field of the on-disk form, by its offset in bytes: the times are asked for with every answer, and a key path is looked up
/// each time that it is used.
struct InodeField: Sendable {
  static let accessTime = InodeField(\.i_atime)
  static let accessTimeExtra = InodeField(\.i_atime_extra)
  static let modificationTime = InodeField(\.i_mtime)
  static let modificationTimeExtra = InodeField(\.i_mtime_extra)
  static let changeTime = InodeField(\.i_ctime)
  static let changeTimeExtra = InodeField(\.i_ctime_extra)
  static let birthTime = InodeField(\.i_crtime)
  static let birthTimeExtra = InodeField(\.i_crtime_extra)
  static let projectID = InodeField(\.i_projid)

  let offset: Int

  private init(_ field: KeyPath<ext2_inode_large, UInt32>) {
    // Always there: the field is stored.
    offset = MemoryLayout<ext2_inode_large>.offset(of: field)!
  }
}

extension Inode {
  /// True when `field` lies within what `i_extra_isize` says is used (EXT4_FITS_IN_INODE).
  func hasRoom(for field: InodeField) -> Bool {
    let goodOldSize = MemoryLayout<ext2_inode>.size
    guard volume.inodeSize > goodOldSize else { return false }
    return goodOldSize + extraFieldsSize >= field.offset + 4
  }

  /// A field that there is room for.
  subscript(field: InodeField) -> UInt32 {
    get { UnsafeRawPointer(raw).load(fromByteOffset: field.offset, as: UInt32.self) }
    set {
      UnsafeMutableRawPointer(raw).storeBytes(
        of: newValue, toByteOffset: field.offset, as: UInt32.self)
    }
  }
}
