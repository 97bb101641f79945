import IomapCache
import SystemPackage

/// A channel whose notifications are printed before they are sent.
final class TracedChannel: KernelChannel {
  private let channel: any KernelChannel
  private let trace: RequestTrace

  init(_ channel: any KernelChannel, _ trace: RequestTrace) {
    self.channel = channel
    self.trace = trace
  }

  func iomapSupport() -> IomapWire.SupportFlags { channel.iomapSupport() }

  func connect(_ descriptor: CInt) { channel.connect(descriptor) }

  func register(device descriptor: CInt) throws(Errno) -> DeviceCookie {
    try channel.register(device: descriptor)
  }

  func forbidReclaim() throws(Errno) { try channel.forbidReclaim() }

  func clone() -> CInt? { channel.clone() }

  func send(notification: UnsafeRawBufferPointer) throws(Errno) {
    trace.notifies(notification)
    try channel.send(notification: notification)
  }

  func sendWithoutWaiting(notification: UnsafeRawBufferPointer) throws(Errno) {
    trace.notifies(notification)
    try channel.sendWithoutWaiting(notification: notification)
  }
}
