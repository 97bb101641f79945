import FuseServer
import Glibc
import IomapCache
import Synchronization
import SystemPackage
import TestSupport

/// Requests to a session, in the order of an input.
///
/// The first byte chooses a session: of a stock kernel or of one that moves data. Then come requests: a byte for the operation, one for
/// the node, one for the number of bytes behind the header, and these: as few or as many as there are.
enum SessionFuzzing {
  private struct Sessions: @unchecked Sendable {
    var sessions: [FuzzedSession?] = [nil, nil]
  }

  private static let sessions = Mutex(Sessions())

  static func run(_ input: UnsafeRawBufferPointer) throws {
    guard let first = input.first else { return }
    let usesIomap = first & 1 != 0
    try sessions.withLock { sessions in
      let index = usesIomap ? 1 : 0
      let session = try sessions.sessions[index] ?? FuzzedSession(usesIomap: usesIomap)
      sessions.sessions[index] = session
      try session.send(UnsafeRawBufferPointer(rebasing: input.dropFirst()))
      guard session.answers() else { FuzzFailure.fail("the session does not answer any more") }
    }
  }
}

/// A session with the other end of its connection.
final class FuzzedSession {
  private let own: CInt
  private let session: Session
  private var unique: UInt64 = 2
  private var buffer = [UInt8](repeating: 0, count: 2 << 20)

  /// Operations of fs/fuse, and of the iomap extension; INIT, which comes once, and DESTROY, after which nothing comes, left out.
  private static let opcodes: [UInt32] = [
    1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 27, 28, 29,
    30, 31, 32, 33, 34, 35, 36, 37, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 99,
    4089, 4090, 4091, 4092, 4093, 4094, 4095,
  ]
  private static let headerSize = 40
  /// Requests that are sent before any answer is taken.
  private static let burst = 16
  /// Bytes. The session's end of the connection does not wait, as /dev/fuse does not, but a socket has no room for more than its buffer, and
  /// loses an answer: those of a whole burst fit.
  private static let largestAnswer = 4096
  private static let socketBuffer: CInt = 208 << 10

  init(usesIomap: Bool) throws {
    var ends: [CInt] = [-1, -1]
    guard socketpair(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue), 0, &ends) == 0 else {
      throw Errno(rawValue: errno)
    }
    own = ends[0]
    // Fuzzers may have to wait for a processor for seconds; libFuzzer waits longer than this.
    var patience = timeval(tv_sec: 50, tv_usec: 0)
    setsockopt(own, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    // The kernel counts twice as much, for what it keeps beside the bytes.
    var size = Self.socketBuffer
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<CInt>.size))
    let files = AnsweringFileSystem()
    var options = Session.Options()
    options.workerCount = 2
    session = try Session(
      files, iomap: usesIomap ? files : nil, channel: SilentChannel(), options: options)
    try session.mount(at: "/dev/fd/\(ends[1])")
    let context = Unmanaged.passRetained(session)
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { context in
        Unmanaged<Session>.fromOpaque(context!).takeRetainedValue().run { true }
        return nil
      }, context.toOpaque())
    try initialize(usesIomap)
  }

  private func initialize(_ usesIomap: Bool) throws {
    var payload: [UInt8] = []
    for word in [7, 99, 131_072, 0x7BFF_FFFB, UInt32(usesIomap ? 0xDFD : 0x5FD)]
      + .init(repeating: 0, count: 11)
    {
      withUnsafeBytes(of: word) { payload += $0 }
    }
    try send(opcode: 26, node: 0, payload)
    guard receive() != nil else { throw Failure("the session does not answer INIT") }
    guard usesIomap else { return }
    var request = [UInt8](repeating: 0, count: 64)
    request[0] = 0x7F
    try send(opcode: 4092, node: 0, request)
    guard receive() != nil else { throw Failure("the session does not answer CONFIG") }
  }

  /// Sends the requests that `input` describes.
  func send(_ input: UnsafeRawBufferPointer) throws {
    var place = 0
    var count = 0
    while place + 3 <= input.count, count < Self.burst {
      count += 1
      let opcode = Self.opcodes[Int(input[place]) % Self.opcodes.count]
      let node = UInt64(input[place + 1])
      let length = min(Int(input[place + 2]), input.count - place - 3)
      var payload = Array(input[place + 3..<place + 3 + length])
      place += 3 + length
      bound(&payload, opcode)
      try send(opcode: opcode, node: node, payload)
    }
  }

  /// No answer is larger than what there is room for.
  private func bound(_ payload: inout [UInt8], _ opcode: UInt32) {
    func bound(_ place: Int) {
      guard payload.count >= place + 4 else { return }
      let size = payload.withUnsafeBytes {
        $0.loadUnaligned(fromByteOffset: place, as: UInt32.self)
      }
      withUnsafeBytes(of: min(size, UInt32(Self.largestAnswer))) {
        payload.replaceSubrange(place..<place + 4, with: $0)
      }
    }
    switch opcode {
    case 15, 28, 44: bound(16)
    case 22, 23: bound(0)
    case 39: bound(28)
    default: break
    }
  }

  private func send(opcode: UInt32, node: UInt64, _ payload: [UInt8]) throws {
    unique += 2
    var message: [UInt8] = []
    message.reserveCapacity(Self.headerSize + payload.count)
    withUnsafeBytes(of: UInt32(Self.headerSize + payload.count)) { message += $0 }
    withUnsafeBytes(of: opcode) { message += $0 }
    withUnsafeBytes(of: unique) { message += $0 }
    withUnsafeBytes(of: node) { message += $0 }
    // User, group, thread, padding.
    message += [UInt8](repeating: 0, count: 16)
    message += payload
    guard Glibc.send(own, message, message.count, 0) == message.count else {
      throw Errno(rawValue: errno)
    }
  }

  /// Whether a plain question is still answered; everything that was asked before has been, by then, or needs no answer.
  func answers() -> Bool {
    do { try send(opcode: 3, node: 1, [UInt8](repeating: 0, count: 16)) } catch { return false }
    let wanted = unique
    while let answer = receive() {
      if answer == wanted { return true }
    }
    return false
  }

  /// The number of the request that the next message answers; nil when there is none.
  private func receive() -> UInt64? {
    var count: Int
    // libFuzzer's alarm, every 31 seconds, ends a call that has a time limit, whatever SA_RESTART says (signal(7)).
    repeat { count = recv(own, &buffer, buffer.count, 0) } while count < 0 && errno == EINTR
    guard count >= 16 else { return nil }
    let (length, unique) = buffer.withUnsafeBytes {
      ($0.loadUnaligned(as: UInt32.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
    guard Int(length) == count else {
      FuzzFailure.fail("an answer of \(count) bytes says that it has \(length)")
    }
    return unique
  }
}

/// A kernel that takes every notification.
private final class SilentChannel: KernelChannel {
  func iomapSupport() -> IomapWire.SupportFlags { IomapWire.SupportFlags(rawValue: 1) }
  func connect(_ descriptor: CInt) {}
  func register(device descriptor: CInt) throws(Errno) -> DeviceCookie { DeviceCookie(rawValue: 1) }
  func forbidReclaim() throws(Errno) {}
  func clone() -> CInt? { nil }
  func send(notification: UnsafeRawBufferPointer) throws(Errno) {}
}
