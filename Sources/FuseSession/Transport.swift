import CFuse3
import Glibc

/// How libfuse's answers reach the kernel: through the descriptor on which the thread's request came in.
enum Transport {
  static var customIO: fuse_custom_io {
    var io = fuse_custom_io()
    io.read = { descriptor, buffer, size, _ in Glibc.read(descriptor, buffer, size) }
    io.writev = { descriptor, parts, count, _ in
      guard let parts, let worker = Worker.current else { return writev(descriptor, parts, count) }
      if worker.header.opcode == .initialize { Transport.amendInitialization(parts, count, worker) }
      return writev(worker.descriptor, parts, count)
    }
    return io
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
