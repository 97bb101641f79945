import Glibc
import SystemPackage

/// Attributes: which the kernel owns and which the server, and SETATTR (ABI 1.1, 4.8, 4.10).
extension SimulatedKernel {
  /// What a SETATTR carries; the mask follows.
  public struct SetAttributes: Sendable {
    public var mode: UInt32?
    public var uid: UInt32?
    public var gid: UInt32?
    public var size: UInt64?
    public var accessTime: InodeTruth.Time?
    public var modificationTime: InodeTruth.Time?
    public var changeTime: InodeTruth.Time?
    public var handle: UInt64?

    public init(size: UInt64? = nil, handle: UInt64? = nil) {
      self.size = size
      self.handle = handle
    }

    /// `struct fuse_setattr_in`.
    func encode() -> [UInt8] {
      var valid: UInt32 = 0
      if mode != nil { valid |= AttributeMask.mode }
      if uid != nil { valid |= AttributeMask.uid }
      if gid != nil { valid |= AttributeMask.gid }
      if size != nil { valid |= AttributeMask.size }
      if accessTime != nil { valid |= AttributeMask.accessTime }
      if modificationTime != nil { valid |= AttributeMask.modificationTime }
      if changeTime != nil { valid |= AttributeMask.changeTime }
      if handle != nil { valid |= AttributeMask.handle }
      var payload = MessageWriter(capacity: 88)
      payload.append(valid)
      payload.append(UInt32(0))
      payload.append(handle ?? 0)
      payload.append(size ?? 0)
      payload.append(UInt64(0))
      for time in [accessTime, modificationTime, changeTime] { payload.append(time?.seconds ?? 0) }
      for time in [accessTime, modificationTime, changeTime] {
        payload.append(time?.nanoseconds ?? 0)
      }
      payload.append(mode ?? 0)
      payload.append(UInt32(0))
      payload.append(uid ?? 0)
      payload.append(gid ?? 0)
      payload.append(UInt32(0))
      return payload.bytes
    }
  }

  /// Sends SETATTR; what it answers has been taken.
  @discardableResult
  func setattr(
    _ inode: KernelInode, _ request: SetAttributes, as caller: Caller = Caller(),
    kind: String? = nil
  ) throws(Errno) -> Attributes {
    let epoch = request.size == nil ? sizeEpoch(inode) : nil
    let reply = try connection.request(
      .setattr, node: inode.node, request.encode(), as: caller, kind: kind)
    guard reply.count == 104 else {
      rules.fail("SETATTR: \(reply.count) bytes")
      throw .ioError
    }
    let attributes = reply.read { Attributes($0, at: 16) }
    take(attributes, for: inode, epoch: epoch)
    return attributes
  }

  /// GETATTR; size and times of iomap files are the kernel's own, see `status`.
  @discardableResult
  public func getattr(_ node: UInt64) throws(Errno) -> Attributes {
    let inode = try inode(node)
    let epoch = sizeEpoch(inode)
    let reply = try connection.request(.getattr, node: node, [UInt8](repeating: 0, count: 16))
    guard reply.count == 104 else {
      rules.fail("GETATTR: \(reply.count) bytes")
      throw .ioError
    }
    let attributes = reply.read { Attributes($0, at: 16) }
    take(attributes, for: inode, epoch: epoch)
    return attributes
  }

  /// What stat(2) shows: the server's attributes with the kernel's size and times.
  public func status(_ node: UInt64) throws(Errno) -> Attributes {
    var attributes = try getattr(node)
    let inode = try inode(node)
    guard inode.usesIomap else { return attributes }
    inode.monitor.withLock {
      attributes.size = inode.size
      attributes.accessTime = inode.times.access
      attributes.modificationTime = inode.times.modification
      attributes.changeTime = inode.times.change
    }
    return attributes
  }

  public func chmod(_ node: UInt64, _ mode: UInt32, as caller: Caller = Caller()) throws(Errno) {
    var request = SetAttributes()
    request.mode = mode & 0o7777
    let attributes: Attributes
    do throws(Errno) {
      attributes = try change(node, &request, as: caller)
    } catch {
      rules.check(.i19, false, "SETATTR(mode) of node \(node) by uid \(caller.uid): \(error)")
      throw error
    }
    rules.check(
      .i19, attributes.mode & 0o7777 == mode & 0o7777,
      "SETATTR of node \(node) to mode \(String(mode, radix: 8)) by uid \(caller.uid) answers"
        + " \(String(attributes.mode, radix: 8))")
  }

  public func chown(_ node: UInt64, uid: UInt32?, gid: UInt32?) throws(Errno) {
    var request = SetAttributes()
    request.uid = uid
    request.gid = gid
    _ = try change(node, &request, as: Caller())
  }

  public func setTimes(
    _ node: UInt64, access: InodeTruth.Time?, modification: InodeTruth.Time?
  ) throws(Errno) {
    var request = SetAttributes()
    request.accessTime = access
    request.modificationTime = modification
    _ = try change(node, &request, as: Caller())
  }

  /// notify_change without a size: dirty data first, then SETATTR with the change time.
  private func change(
    _ node: UInt64, _ request: inout SetAttributes, as caller: Caller
  ) throws(Errno) -> Attributes {
    let inode = try inode(node)
    inode.ioLock.lockExclusive()
    defer { inode.ioLock.unlockExclusive() }
    if inode.usesIomap {
      try writeBackAll(inode)
      try flushTimes(inode)
      request.changeTime = coarseTime()
    }
    let attributes = try setattr(inode, request, as: caller)
    let sent = request
    inode.monitor.withLock {
      guard inode.usesIomap else { return }
      if let time = sent.accessTime { inode.times.access = time }
      if let time = sent.modificationTime { inode.times.modification = time }
      if let time = sent.changeTime { inode.times.change = time }
    }
    rules.exercise(.i18)
    return attributes
  }

  // MARK: Times

  /// CLOCK_REALTIME_COARSE at the file system's granularity.
  func coarseTime() -> InodeTruth.Time {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME_COARSE, &now)
    let unit = max(1, session.timeGranularity)
    let nanoseconds = UInt32(now.tv_nsec)
    return .init(seconds: Int64(now.tv_sec), nanoseconds: nanoseconds - nanoseconds % unit)
  }

  /// file_update_time.
  func touchTimes(_ inode: KernelInode) {
    let now = coarseTime()
    inode.monitor.withLock {
      inode.times.modification = now
      inode.times.change = now
      inode.areTimesDirty = true
    }
  }

  /// kiocb_modified: set-id bits go, times change.
  func modified(_ inode: KernelInode) throws(Errno) {
    let mode = inode.monitor.withLock { inode.mode }
    let isSetGroup = mode & 0o2010 == 0o2010
    if mode & 0o4000 != 0 || isSetGroup {
      var request = SetAttributes()
      let kept = mode & ~(isSetGroup ? 0o6000 : 0o4000)
      request.mode = kept & 0o7777
      request.changeTime = coarseTime()
      // A caller that may write the file, but does not own it (I-19).
      let attributes = try setattr(
        inode, request, as: Caller(uid: 12_345, gid: 12_345), kind: "setattr kill suid")
      rules.check(
        .i19, attributes.mode & 0o6000 == kept & 0o6000,
        "set-id bits of node \(inode.node) stay: \(String(attributes.mode, radix: 8))")
    }
    touchTimes(inode)
  }

  /// fuse_flush_times: without a handle, and without a caller (4.10).
  func flushTimes(_ inode: KernelInode) throws(Errno) {
    let times = inode.monitor.withLock { () -> KernelInode.Times? in
      guard inode.areTimesDirty else { return nil }
      inode.areTimesDirty = false
      return inode.times
    }
    guard let times else { return }
    var request = SetAttributes()
    request.accessTime = times.access
    request.modificationTime = times.modification
    request.changeTime = times.change
    rules.exercise(.i18)
    do throws(Errno) {
      let attributes = try setattr(inode, request, as: .kernel, kind: "setattr times")
      let isVerbatim =
        attributes.modificationTime == times.modification && attributes.changeTime == times.change
        && attributes.accessTime == times.access
      rules.check(
        .i18, isVerbatim,
        "SETATTR of the times of node \(inode.node): \(times) became \(attributes)")
    } catch {
      inode.monitor.withLock { inode.areTimesDirty = true }
      rules.check(.i18, false, "SETATTR of the times of node \(inode.node): \(error)")
      throw error
    }
  }

  // MARK: STATX

  public struct StatxResult: Sendable {
    public let mask: UInt32
    public let attributes: UInt64
    public let attributesMask: UInt64
    public let size: UInt64
    public let number: UInt64
    public let birthTime: InodeTruth.Time
    public let directMemoryAlignment: UInt32
    public let directOffsetAlignment: UInt32
    public let atomicUnitMinimum: UInt32
    public let atomicUnitMaximum: UInt32
  }

  /// STATX with everything in its mask (4.8); falls back to GETATTR for good on ENOSYS.
  public func statx(_ node: UInt64) throws(Errno) -> StatxResult? {
    let inode = try inode(node)
    guard !monitor.withLock({ session.hasNoStatx }) else {
      try getattr(node)
      return nil
    }
    var payload = MessageWriter(capacity: 24)
    payload.append(zeros: 16)
    payload.append(UInt32(0))
    payload.append(UInt32(0x1afff))
    let epoch = sizeEpoch(inode)
    let reply = try connection.exchange(.statx, node: node, payload.bytes)
    rules.check(.i74, reply.error != ENOSYS, "STATX answered ENOSYS")
    if reply.error == ENOSYS {
      monitor.withLock { session.hasNoStatx = true }
      try getattr(node)
      return nil
    }
    guard reply.error == 0 else { throw Errno(rawValue: reply.error) }
    guard reply.payload.count == 288 else {
      rules.fail("STATX: \(reply.payload.count) bytes")
      throw .ioError
    }
    let result = reply.payload.read {
      StatxResult(
        mask: $0.u32(32), attributes: $0.u64(40), attributesMask: $0.u64(32 + 56),
        size: $0.u64(32 + 40), number: $0.u64(32 + 32),
        birthTime: .init(seconds: $0.i64(32 + 80), nanoseconds: $0.u32(32 + 88)),
        directMemoryAlignment: $0.u32(32 + 152), directOffsetAlignment: $0.u32(32 + 156),
        atomicUnitMinimum: $0.u32(32 + 168), atomicUnitMaximum: $0.u32(32 + 172))
    }
    if inode.usesIomap {
      inode.monitor.withLock {
        guard epoch == inode.sizeEpoch, inode.pendingEnds.isEmpty else { return }
        rules.check(
          .i15, result.size == inode.expectedDiskSize,
          "node \(node): STATX size \(result.size), on disk \(inode.expectedDiskSize)")
      }
    }
    return result
  }
}
