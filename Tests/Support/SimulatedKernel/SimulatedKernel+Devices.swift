import Glibc
import SystemPackage

/// Ioctls on /dev/fuse, and what the server does with the device itself.
extension SimulatedKernel {
  /// FUSE_DEV_IOC_IOMAP_SUPPORT.
  public func iomapSupportFlags() -> UInt64 {
    configuration.offersIomap && configuration.offersExtendedInit ? 0x3 : 0
  }

  /// FUSE_DEV_IOC_BACKING_OPEN; the cookie, or its errno (ABI 3.4.12).
  public func backingOpen(fd: Int32, flags: UInt32, padding: UInt64) -> Result<UInt32, Errno> {
    board.add("backing open")
    if !offersIomap { rules.violate(.i3, "BACKING_OPEN although bit 43 was not offered") }
    rules.check(.i4, flags == 1 && padding == 0, "BACKING_OPEN: flags \(flags), padding \(padding)")
    return monitor.withLock {
      guard phase != .unmounted && session.usesIomap else {
        rules.violate(.i4, "BACKING_OPEN before IOMAP_CONFIG")
        return .failure(.notPermitted)
      }
      rules.check(.i4, phase == .configuring, "BACKING_OPEN after the reply to IOMAP_CONFIG")
      if flags & ~0xff != 0 || padding != 0 { return .failure(.invalidArgument) }
      guard flags == 1 else { return .failure(Errno(rawValue: EOPNOTSUPP)) }
      if let error = configuration.backingOpenError { return .failure(error) }
      guard fcntl(fd, F_GETFD) >= 0 else { return .failure(.badFileDescriptor) }
      guard configuration.isBlockDevice else { return .failure(.noDevice) }
      guard devices.count < 1024 else { return .failure(.noSpace) }
      let ceiling = oracle.blockSize
      rules.check(
        .i70, UInt64(device.blockSize) <= ceiling,
        "the device's block size is \(device.blockSize), the file system's \(ceiling)")
      let cookie = UInt32(devices.count + 1)
      devices[cookie] = RegisteredDevice(cookie: cookie, size: device.size)
      return .success(cookie)
    }
  }

  /// FUSE_DEV_IOC_SET_NOFS.
  public func setNoFS(_ value: UInt32) -> Errno? {
    board.add("set nofs")
    guard configuration.revision == .v7 else { return Errno(rawValue: ENOTTY) }
    guard value <= 1 else { return .invalidArgument }
    return monitor.withLock { session.usesIomap || offersIomap ? nil : .notPermitted }
  }

  /// FUSE_DEV_IOC_IOMAP_SET_BLOCKSIZE.
  public func setBlockSize(backingID: UInt32, to size: UInt32) -> Errno? {
    guard monitor.withLock({ session.usesIomap }) else { return Errno(rawValue: EOPNOTSUPP) }
    guard monitor.withLock({ devices[backingID] != nil }) else { return .noSuchFileOrDirectory }
    return setDeviceBlockSize(size)
  }

  /// BLKBSZSET on the device itself.
  public func setDeviceBlockSize(_ size: UInt32) -> Errno? {
    guard device.isPossible(blockSize: size) else { return .invalidArgument }
    device.blockSize = size
    return nil
  }

  /// The device's soft block size (BLKBSZGET).
  public var currentDeviceBlockSize: UInt32 { device.blockSize }

  /// Bytes of the device that the server has read.
  public func serverDidRead(offset: UInt64, count: Int) { ledger.serverRead(offset, count) }

  /// Bytes that the server is about to write. Before the write, so that what it replaces can be kept.
  public func serverWillWrite(offset: UInt64, bytes: UnsafeRawBufferPointer) {
    ledger.serverWrites(offset, bytes)
  }

  /// Optional, before a flush: without it, writes made while the flush runs count as flushed.
  public func serverWillFlush() { _ = ledger.flushBegins() }

  /// A flush of the device has completed.
  public func serverDidFlush() {
    board.add("device flush")
    ledger.flushEnded(from: nil)
  }

  /// The server has closed its last descriptor of the device.
  public func serverClosedDevice() {
    ledger.monitor.withLock { ledger.isClosed = true }
  }

  var offersIomap: Bool { configuration.offersIomap && configuration.offersExtendedInit }
}
