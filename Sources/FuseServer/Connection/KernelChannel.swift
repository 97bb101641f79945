import FuseProtocol
import FuseTransport
import Glibc
import IomapCache
import SystemPackage

/// The session's connection to the kernel, apart from reading requests and answering them.
///
/// In reality ioctls and writes on a descriptor of `/dev/fuse`; a double in tests.
public protocol KernelChannel: IomapNotificationChannel {
  /// FUSE_DEV_IOC_IOMAP_SUPPORT, on any descriptor of the device: what the kernel lets this process do. Empty where the kernel
  /// knows nothing of it.
  func iomapSupport() -> IomapWire.SupportFlags
  /// The mount is made, and `descriptor` leads to it.
  func connect(_ descriptor: CInt)
  /// FUSE_DEV_IOC_BACKING_OPEN: registers a block device, and returns what mappings call it.
  func register(device descriptor: CInt) throws(Errno) -> DeviceCookie
  /// FUSE_DEV_IOC_SET_NOFS: the calling thread, and those that it starts, never wait for this file system when they need memory.
  func forbidReclaim() throws(Errno)
  /// Another descriptor of the connection, so that threads do not contend for one; nil where there is none.
  func clone() -> CInt?
  /// Sends a notification for which the kernel waits for no request, so that the calling thread can go on reading them.
  func sendWithoutWaiting(notification: UnsafeRawBufferPointer) throws(Errno)
}

extension KernelChannel {
  public func sendWithoutWaiting(notification: UnsafeRawBufferPointer) throws(Errno) {
    try send(notification: notification)
  }

  /// The kernel asks for the node's attributes before it tells them again (FUSE_NOTIFY_INVAL_INODE). To be called without any
  /// lock, and not from within a request if the kernel may be getting rid of the node: it waits for the answer then, and the notification for
  /// the node to be gone (`ilookup5`).
  public func forgetAttributes(of node: NodeID) {
    // A negative offset leaves the data alone.
    withInvalidation(of: node, offset: -1, length: 0) { message in try? send(notification: message)
    }
  }

  /// The same, for a request that shows that the node is in use, so that the kernel waits for nothing.
  func forgetAttributesOfUsed(_ node: NodeID) {
    withInvalidation(of: node, offset: -1, length: 0) { message in
      try? sendWithoutWaiting(notification: message)
    }
  }

  /// The same, and the kernel drops the listing that it keeps of a directory. To be called without any lock; from within a request only
  /// if that shows that the node is in use.
  ///
  /// The kernel locks the pages of a listing while it copies names, and for nothing else (fs/fuse/readdir.c).
  func forgetListing(of directory: NodeID) {
    withInvalidation(of: directory, offset: 0, length: 0) { message in
      try? sendWithoutWaiting(notification: message)
    }
  }

  /// The kernel writes back what it has of a file's data, and drops it. Returns when that is done, for which requests must be served
  /// meanwhile: to be called from a thread that serves none, without any lock.
  func writeBack(_ node: NodeID) { dropPages(of: node, from: 0, count: 0) }

  /// The same for `count` bytes from `offset` on, or for all behind it if `count` is 0.
  func dropPages(of node: NodeID, from offset: UInt64, count: UInt64) {
    withInvalidation(of: node, offset: Int64(bitPattern: offset), length: Int64(bitPattern: count))
    {
      message in try? send(notification: message)
    }
  }

  /// An error would say that the kernel does not know the node any more.
  private func withInvalidation(
    of node: NodeID, offset: Int64, length: Int64, _ body: (UnsafeRawBufferPointer) -> Void
  ) {
    let invalidation = FuseProtocol.Notification.InvalidateInode(
      nodeID: node.rawValue, offset: offset, length: length)
    withUnsafeTemporaryAllocation(byteCount: invalidation.messageSize, alignment: 8) { message in
      invalidation.encodeWholeMessage(into: message)
      body(UnsafeRawBufferPointer(message))
    }
  }
}

/// The real one.
public final class DeviceChannel: KernelChannel, @unchecked Sendable {
  /// Set once, before there is a second thread.
  private var descriptor: CInt = -1

  public init() {}

  public func connect(_ descriptor: CInt) { self.descriptor = descriptor }

  public func iomapSupport() -> IomapWire.SupportFlags {
    let device = open("/dev/fuse", O_RDWR | O_CLOEXEC)
    guard device >= 0 else { return [] }
    defer { close(device) }
    return withUnsafeTemporaryAllocation(byteCount: IomapWire.Support.size, alignment: 8) {
      answer in
      guard (try? Self.call(.iomapSupport, on: device, answer.baseAddress!)) != nil else {
        return []
      }
      return IomapWire.Support(UnsafeRawBufferPointer(answer))?.flags ?? []
    }
  }

  public func register(device: CInt) throws(Errno) -> DeviceCookie {
    let map = IomapWire.BackingMap(fd: device)
    return try map.withBytes { (bytes) throws(Errno) in
      let cookie = try Self.call(
        .backingOpen, on: descriptor, UnsafeMutableRawPointer(mutating: bytes.baseAddress!))
      guard cookie > 0 else { throw .invalidArgument }
      return DeviceCookie(rawValue: UInt32(cookie))
    }
  }

  public func forbidReclaim() throws(Errno) {
    var on: UInt32 = 1
    try Self.call(.setNoFS, on: descriptor, &on)
  }

  public func clone() -> CInt? {
    let clone = open("/dev/fuse", O_RDWR | O_CLOEXEC)
    guard clone >= 0 else { return nil }
    var source = UInt32(descriptor)
    guard ioctl(clone, Self.cloneCommand, &source) == 0 else {
      close(clone)
      return nil
    }
    return clone
  }

  /// FUSE_DEV_IOC_CLONE.
  private static let cloneCommand: UInt = 0x8004_E500

  @discardableResult
  private static func call(
    _ command: IomapWire.Ioctl, on descriptor: CInt, _ argument: UnsafeMutableRawPointer
  ) throws(Errno) -> CInt {
    // What the daemon uses has one number, if any, in all revisions.
    guard let number = command.number(for: .v7) else { throw .notSupported }
    let result = ioctl(descriptor, number, argument)
    guard result >= 0 else { throw Errno(rawValue: errno) }
    return result
  }

  public func send(notification: UnsafeRawBufferPointer) throws(Errno) {
    Exchange.threadWillWait()
    try sendWithoutWaiting(notification: notification)
  }

  public func sendWithoutWaiting(notification: UnsafeRawBufferPointer) throws(Errno) {
    guard descriptor >= 0 else { throw .invalidArgument }
    guard Glibc.write(descriptor, notification.baseAddress, notification.count) >= 0 else {
      throw Errno(rawValue: errno)
    }
  }
}
