import CExt2FS
import Synchronization
import SystemPackage

/// What stat(2) tells about a file.
public struct FileStatus: Sendable {
  public var inode: InodeNumber
  public var generation: UInt32
  /// The generation by which the kernel knows the inode.
  public var knownGeneration: UInt32
  public var mode: UInt16
  public var linkCount: UInt32
  public var userID: UInt32
  public var groupID: UInt32
  /// Bytes.
  public var size: UInt64
  /// 512-byte sectors.
  public var sectorCount: UInt64
  /// In the kernel's `new_encode_dev` form; 0 for what is no device.
  public var device: UInt32
  public var blockSize: UInt32
  public var accessTime: Timestamp
  public var modificationTime: Timestamp
  public var changeTime: Timestamp
  public var birthTime: Timestamp?
  public var flags: InodeFlags
  public var projectID: UInt32
  /// The kernel moves the file's data and asks for mappings.
  public var isServedByIomap: Bool
}

extension Inode {
  public func status() -> FileStatus {
    volume.metadata.withLock { statusLocked() }
  }

  /// Metadata lock held.
  func statusLocked() -> FileStatus {
    foldWriteTime()
    let isDevice = fileType == .characterDevice || fileType == .blockDevice
    return FileStatus(
      inode: number, generation: generation, knownGeneration: knownGeneration ?? generation,
      mode: mode, linkCount: UInt32(linkCount),
      userID: userID, groupID: groupID, size: size, sectorCount: sectorCount,
      device: isDevice ? deviceNumber : 0, blockSize: UInt32(volume.blockSize),
      accessTime: accessTime, modificationTime: modificationTime, changeTime: changeTime,
      birthTime: birthTime, flags: flags, projectID: projectID,
      isServedByIomap: isServedByIomap.load(ordering: .acquiring))
  }
}

/// What setattr changes; nil leaves a thing as it is.
public struct AttributeChange: Sendable {
  public var mode: UInt16?
  public var userID: UInt32?
  public var groupID: UInt32?
  public var size: UInt64?
  public var accessTime: Timestamp?
  /// `accessTime` is the time of the call. Every user who may write the file may set that.
  public var accessIsNow = false
  public var modificationTime: Timestamp?
  public var changeTime: Timestamp?
  /// The caller may not keep set-id bits over a change of size or owner.
  public var clearSetID = false
  /// The caller is in the file's group.
  public var callerIsInGroup = false

  public init() {}

  fileprivate var privileges: Inode.WriteOptions {
    guard clearSetID else { return [] }
    return callerIsInGroup ? [.clearSetID, .inGroup] : .clearSetID
  }
}

extension Inode {
  /// Applies `change`. EPERM for the size of an append-only or immutable file, EISDIR or EINVAL for the size of what is
  /// no regular file.
  public func apply(_ change: AttributeChange) throws(Ext4Error) {
    try volume.requireWritable()
    // The kernel has checked already where it knows the flags, and its own record of times must not be lost.
    if !isManagedByKernel {
      try volume.metadata.withLock { () throws(Ext4Error) in try requireChangeable(change) }
    }
    if let newSize = change.size {
      guard isRegularFile else { throw .errno(isDirectory ? .isDirectory : .invalidArgument) }
      guard newSize <= volume.maximumFileSize(of: self) else { throw .errno(.fileTooLarge) }
      try dropPrivileges(change.privileges)
      try resize(to: newSize)
    }
    try volume.change { () throws(Ext4Error) in
      let now = Timestamp.now
      try growExtraFields()
      foldWriteTime()
      if change.userID != nil || change.groupID != nil {
        if let userID = change.userID { self.userID = userID }
        if let groupID = change.groupID { self.groupID = groupID }
        if change.clearSetID, change.mode == nil { clearSetIDBits(change.privileges) }
        try removeCapability()
      }
      if let newMode = change.mode {
        mode = mode & 0o170000 | newMode & 0o7777
        try adjustACL(forMode: mode)
      }
      // The times of a file whose data the kernel moves are the kernel's: it says what they shall be.
      let keepsTimes = isServedByIomap.load(ordering: .relaxed)
      if change.size != nil, !keepsTimes { modificationTime = now }
      if let time = change.accessTime { accessTime = time }
      if let time = change.modificationTime { modificationTime = time }
      if let time = change.changeTime { changeTime = time } else if !keepsTimes { changeTime = now }
      try store()
    }
  }

  /// A write or a change of size takes from a file what a privileged user entrusted to its contents: the capabilities
  /// always, the set-id bits if the caller may not keep them. Metadata lock not held.
  func dropPrivileges(_ options: WriteOptions) throws(Ext4Error) {
    // The kernel does all of this itself for files whose data it moves.
    guard !isServedByIomap.load(ordering: .relaxed) else { return }
    let clears = options.contains(.clearSetID)
    guard clears || mayHaveCapability.load(ordering: .relaxed) else { return }
    try volume.change { () throws(Ext4Error) in
      try removeCapability()
      if clears, mode & 0o6000 != 0 {
        clearSetIDBits(options)
        changeTime = .now
        try store()
      }
    }
  }

  /// Set-group-id without the group's execute bit means mandatory locking; members of the group leave it
  /// (setattr_should_drop_sgid).
  private func clearSetIDBits(_ options: WriteOptions) {
    guard !isDirectory else { return }
    mode &= ~0o4000
    if mode & 0o010 != 0 || !options.contains(.inGroup) { mode &= ~0o2000 }
  }

  /// Metadata lock held.
  private func removeCapability() throws(Ext4Error) {
    guard mayHaveCapability.load(ordering: .relaxed) else { return }
    do throws(Ext4Error) {
      try removeAttribute(named: "security.capability")
    } catch {
      guard error.errno == .noData else { throw error }
    }
    mayHaveCapability.store(false, ordering: .relaxed)
  }
}
