import FuseTransport
import Glibc
import SystemPackage

/// A connected Unix socket that does not keep its thread waiting for longer than a given time, on either side.
struct ControlConnection: ~Copyable {
  private let descriptor: CInt

  /// Takes the descriptor over. It does not block.
  init(_ descriptor: CInt) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Connects to the socket at `path`, if it takes a connection at once.
  init(to path: String) throws(Errno) {
    guard let address = SocketAddress(path) else { throw .fileNameTooLong }
    let kind =
      CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
      | CInt(SOCK_NONBLOCK.rawValue)
    let descriptor = socket(AF_UNIX, kind, 0)
    guard descriptor >= 0 else { throw .last }
    guard address.with({ connect(descriptor, $0, $1) }) == 0 else {
      let error = Errno.last
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
  }

  /// The user at the other side when it connected or began to listen; nil if that is not known.
  var peer: uid_t? {
    // struct ucred, which is declared for GNU sources only: process, user, group.
    var credentials = InlineArray<3, UInt32>(repeating: 0)
    var size = socklen_t(MemoryLayout.size(ofValue: credentials))
    let code = withUnsafeMutableBytes(of: &credentials) {
      getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, $0.baseAddress, &size)
    }
    return code == 0 && size == 12 ? credentials[1] : nil
  }

  /// A time `milliseconds` from now, for the other functions.
  static func deadline(inMilliseconds milliseconds: Int) -> Int { Monitor.now + milliseconds }

  /// Reads until the other side ends, `isWhole` says so, or there are `limit` bytes. ETIMEDOUT.
  func read(
    atMost limit: Int, until deadline: Int, isWhole: ([UInt8]) -> Bool = { _ in false }
  ) throws(Errno) -> [UInt8] {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: min(limit, 1 << 16))
    while bytes.count < limit, !isWhole(bytes) {
      let count = Glibc.read(descriptor, &piece, min(piece.count, limit - bytes.count))
      if count == 0 { break }
      if count > 0 {
        bytes += piece[..<count]
      } else {
        try wait(for: POLLIN, until: deadline)
      }
    }
    return bytes
  }

  /// Writes all of it. ETIMEDOUT.
  func write(_ bytes: [UInt8], until deadline: Int) throws(Errno) {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        send(
          descriptor, $0.baseAddress! + done, $0.count - done, CInt(MSG_NOSIGNAL))
      }
      if count >= 0 { done += count } else { try wait(for: POLLOUT, until: deadline) }
    }
  }

  /// After a call that has failed: waits, if that is what it takes.
  private func wait(for event: Int32, until deadline: Int) throws(Errno) {
    switch errno {
    case EINTR: return
    case EAGAIN: break
    default: throw .last
    }
    let rest = deadline - Monitor.now
    guard rest > 0 else { throw .timedOut }
    var file = pollfd(fd: descriptor, events: Int16(event), revents: 0)
    if poll(&file, 1, CInt(rest)) == 0 { throw .timedOut }
  }
}
