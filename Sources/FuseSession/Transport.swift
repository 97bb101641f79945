import CFuse3
import FuseProtocol
import Glibc

/// How libfuse's answers reach the kernel: through the descriptor on which the thread's request came in.
enum Transport {
  static var customIO: fuse_custom_io {
    var io = fuse_custom_io()
    io.read = { descriptor, buffer, size, _ in Glibc.read(descriptor, buffer, size) }
    io.writev = { descriptor, parts, count, trace in
      guard let parts else { return writev(descriptor, nil, count) }
      let worker = Worker.current
      if let worker, worker.header.opcode == .initialize {
        Transport.amendInitialization(parts, count, worker)
      }
      if let trace {
        Unmanaged<RequestTrace>.fromOpaque(trace).takeUnretainedValue().sends(parts, Int(count))
      }
      guard let worker else { return writev(descriptor, parts, count) }
      Transport.count(parts, count, worker)
      return writev(worker.descriptor, parts, count)
    }
    return io
  }

  /// A reply, or a notification, which has no number.
  private static func count(_ parts: UnsafePointer<iovec>, _ count: CInt, _ worker: Worker) {
    guard
      let header = ReplyHeader(
        UnsafeRawBufferPointer(start: parts[0].iov_base, count: parts[0].iov_len)),
      header.unique == worker.header.unique
    else { return }
    var payload = UnsafeRawBufferPointer(start: nil, count: 0)
    if count > 1 {
      payload = UnsafeRawBufferPointer(start: parts[1].iov_base, count: parts[1].iov_len)
    }
    worker.session.statistics.answered(
      worker.stamp, error: header.error, payload,
      byteCount: max(Int(header.length) - ReplyHeader.size, 0))
  }

  /// libfuse's answer to FUSE_INIT lacks what it does not know.
  private static func amendInitialization(
    _ parts: UnsafeMutablePointer<iovec>, _ count: CInt, _ worker: Worker
  ) {
    guard count >= 2, parts[0].iov_len == ReplyHeader.size,
      parts[0].iov_base.loadUnaligned(fromByteOffset: 4, as: Int32.self) == 0,
      let payload = parts[1].iov_base
    else { return }
    Negotiation.amend(
      UnsafeMutableRawBufferPointer(start: payload, count: parts[1].iov_len), to: worker.payload,
      usesIomap: worker.session.usesIomap, mappedIDs: worker.session.options.mappedIDs)
  }
}
