import CExt2FS

// The four times of an inode. Metadata lock held, for all of them.
extension Inode {
  public var accessTime: Timestamp {
    get { time(\.i_atime, \.i_atime_extra) }
    set { setTime(\.i_atime, \.i_atime_extra, newValue) }
  }

  public var modificationTime: Timestamp {
    get { time(\.i_mtime, \.i_mtime_extra) }
    set {
      setTime(\.i_mtime, \.i_mtime_extra, newValue)
      accessCurrentUntil.store(0, ordering: .relaxed)
    }
  }

  public var changeTime: Timestamp {
    get { time(\.i_ctime, \.i_ctime_extra) }
    set {
      setTime(\.i_ctime, \.i_ctime_extra, newValue)
      accessCurrentUntil.store(0, ordering: .relaxed)
    }
  }

  /// Nil where the inode has no room for it.
  public var birthTime: Timestamp? {
    hasRoom(for: \.i_crtime_extra) ? time(\.i_crtime, \.i_crtime_extra) : nil
  }

  func setBirthTime(_ time: Timestamp) {
    if hasRoom(for: \.i_crtime_extra) { setTime(\.i_crtime, \.i_crtime_extra, time) }
  }

  /// True when the 32-bit `field` lies within what `i_extra_isize` says is used (EXT4_FITS_IN_INODE).
  func hasRoom(for field: KeyPath<ext2_inode_large, UInt32>) -> Bool {
    let goodOldSize = MemoryLayout<ext2_inode>.size
    guard volume.inodeSize > goodOldSize,
      let offset = MemoryLayout<ext2_inode_large>.offset(of: field)
    else { return false }
    return goodOldSize + Int(raw.pointee.i_extra_isize) >= offset + 4
  }

  /// The inode has changed: now, unless the kernel keeps the times of the file and says when.
  func noteChangeTime() {
    if !isMovedByKernel.load(ordering: .relaxed) { changeTime = .now }
  }

  private typealias Field = WritableKeyPath<ext2_inode_large, UInt32>

  private func time(_ base: Field, _ extra: Field) -> Timestamp {
    Timestamp(
      base: raw.pointee[keyPath: base],
      extra: hasRoom(for: extra) ? raw.pointee[keyPath: extra] : 0)
  }

  private func setTime(_ base: Field, _ extra: Field, _ time: Timestamp) {
    if hasRoom(for: extra) {
      (raw.pointee[keyPath: base], raw.pointee[keyPath: extra]) = time.encoded
    } else {
      raw.pointee[keyPath: base] = time.encodedBase
    }
  }
}
