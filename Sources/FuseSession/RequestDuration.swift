import FuseProtocol

/// How long a request keeps the thread that serves it, as far as can be told beforehand. What turns out to take long only while it is
/// served says so then (`Session.willWait`).
enum RequestDuration {
  case short
  /// Short, unless the device does not keep up with what is written.
  case shortWrite
  case long

  init(_ header: RequestHeader, _ payload: UnsafeRawBufferPointer) {
    switch header.opcode {
    case .read:
      let size = (try? Request.Read(payload, of: .read, .layout))?.size
      self = size.map { $0 <= Self.quickTransfer ? .short : .long } ?? .long
    case .write:
      let size = (try? Request.Write(payload, of: .write, .layout))?.data.count
      self = size.map { $0 <= Self.quickTransfer ? .shortWrite : .long } ?? .long
    case .fallocate, .copyFileRange, .copyFileRange64, .ioctl, .destroy, .freeze, .shutdown:
      self = .long
    default: self = .short
    }
  }

  /// Bytes that are copied in less time than another thread needs to wake up.
  private static let quickTransfer = 64 << 10
}

extension NegotiatedProtocol {
  /// For what is decoded and encoded here beside libfuse: its layouts have been the same since 7.12.
  static let layout = NegotiatedProtocol(minor: latestMinor)
}

extension RequestHeader {
  var node: NodeID { NodeID(nodeID) }

  /// The thread of the caller.
  var thread: Int32 { Int32(bitPattern: processID) }
}
