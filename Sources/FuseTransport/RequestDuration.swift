import FuseProtocol

/// How long a request keeps the thread that serves it, as far as can be told beforehand. What turns out to take long only while it is
/// served says so then (`Exchange.threadWillWait`).
enum RequestDuration {
  case short
  /// Short, unless the device does not keep up with what is written.
  case shortWrite
  case long

  @inline(__always)
  init(_ opcode: Opcode?, _ arguments: UnsafeRawBufferPointer) {
    switch opcode {
    case .read, .write:
      guard let fields = Request.TransferFields(arguments), fields.size <= Self.quickTransfer else {
        self = .long
        return
      }
      self = opcode == .write ? .shortWrite : .short
    case .fallocate, .copyFileRange, .copyFileRange64, .ioctl, .destroy, .freeze, .shutdown:
      self = .long
    default: self = .short
    }
  }

  /// Bytes that are copied in less time than another thread needs to wake up.
  private static let quickTransfer: UInt32 = 64 << 10
}
