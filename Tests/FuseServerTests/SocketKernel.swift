import CFuse3
import CLinux
import Glibc
import SystemPackage
import TestSupport

@testable import FuseServer
@testable import FuseTransport

/// A session whose kernel is the test: requests and replies go through a pair of sockets, each message
/// in one piece as with /dev/fuse. Nothing is mounted.
final class SocketKernel {
  struct Reply {
    let length: UInt32
    let error: Int32
    let unique: UInt64
    let payload: [UInt8]
  }

  let files = ScriptedFileSystem()
  let session: Session
  /// The session's end.
  let descriptor: CInt
  private let own: CInt
  private var lastUnique: UInt64 = 0x1000_0000_0001
  /// Who makes the requests.
  var caller = getpid()

  init(_ options: Session.Options = .init(), channel: any KernelChannel = DeviceChannel()) throws {
    var ends: [CInt] = [-1, -1]
    guard socketpair(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue), 0, &ends) == 0 else {
      throw Errno(rawValue: errno)
    }
    own = ends[0]
    descriptor = ends[1]
    session = try Session(files, channel: channel, options: options)
    session.attach(descriptor)
    var patience = timeval(tv_sec: 5, tv_usec: 0)
    setsockopt(
      own, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
  }

  var transport: DeviceTransport {
    get throws {
      guard let transport = session.transport else { throw Failure("there is no transport") }
      return transport
    }
  }

  deinit {
    close(own)
    close(descriptor)
  }

  /// The request as bytes, with the number that its answer must carry.
  private func request(_ opcode: UInt32, _ node: UInt64, _ payload: [UInt8]) -> [UInt8] {
    lastUnique += 2
    var header = fuse_in_header()
    header.len = UInt32(MemoryLayout<fuse_in_header>.size + payload.count)
    header.opcode = opcode
    header.unique = lastUnique
    header.nodeid = node
    header.uid = 1000
    header.gid = 100
    header.pid = UInt32(caller)
    return bytes(of: header) + payload
  }

  /// Sends a request and has it served: by the session's first thread, or by `reader`.
  func serve(
    _ opcode: UInt32, node: UInt64 = 1, _ payload: [UInt8] = [], by reader: DeviceReader? = nil
  ) throws {
    let message = request(opcode, node, payload)
    guard send(own, message, message.count, 0) == message.count else {
      throw Errno(rawValue: errno)
    }
    if let reader {
      reader.serve { !Self.hasRequest(descriptor) }
    } else {
      try transport.serve { !Self.hasRequest(descriptor) }
    }
  }

  /// Sends bytes that need be no request.
  func sendRaw(_ message: [UInt8]) throws {
    guard send(own, message, message.count, 0) == message.count else {
      throw Errno(rawValue: errno)
    }
  }

  /// Whether there is a message that has not been read.
  private static func hasRequest(_ descriptor: CInt) -> Bool {
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, CInt(MSG_PEEK | MSG_DONTWAIT)) >= 0
  }

  /// Serves a request and returns its answer, which must carry its number and say its own length.
  func ask(_ opcode: UInt32, node: UInt64 = 1, _ payload: [UInt8] = []) throws -> Reply {
    try serve(opcode, node: node, payload)
    let reply = try receive()
    guard reply.unique == lastUnique else { throw Failure("the reply is to \(reply.unique)") }
    return reply
  }

  /// The number of the last request.
  var unique: UInt64 { lastUnique }

  /// The next message from the session.
  func receive() throws -> Reply {
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    let count = recv(own, &buffer, buffer.count, 0)
    guard count >= 0 else { throw Errno(rawValue: errno) }
    guard count >= MemoryLayout<fuse_out_header>.size else {
      throw Failure("a reply of \(count) bytes")
    }
    let header = load(fuse_out_header.self, buffer)
    guard header.len == count else {
      throw Failure("a reply of \(count) bytes says \(header.len)")
    }
    return Reply(
      length: header.len, error: header.error, unique: header.unique,
      payload: Array(buffer[MemoryLayout<fuse_out_header>.size..<count]))
  }

  /// True when the session has sent nothing.
  var isSilent: Bool {
    var byte: UInt8 = 0
    return recv(own, &byte, 1, CInt(MSG_DONTWAIT)) < 0
  }

  /// FUSE_INIT of a kernel that offers `flags`.
  @discardableResult
  func initialize(offering flags: UInt32 = SocketKernel.usualFlags) throws -> fuse_init_out {
    var request = fuse_init_in()
    request.major = UInt32(FUSE_KERNEL_VERSION)
    request.minor = UInt32(FUSE_KERNEL_MINOR_VERSION)
    request.max_readahead = 131_072
    request.flags = flags
    let reply = try ask(FUSE_INIT.rawValue, bytes(of: request))
    guard reply.error == 0, reply.payload.count == MemoryLayout<fuse_init_out>.size else {
      throw Failure("INIT: \(reply)")
    }
    return load(fuse_init_out.self, reply.payload)
  }

  /// What Linux 5.11 and later offer, the extension of the request excepted.
  static let usualFlags: UInt32 = 0x1FFF_FFFB
}

/// The bytes of a C structure, padding and all.
func bytes<T: BitwiseCopyable>(of value: T) -> [UInt8] {
  withUnsafeBytes(of: value) { Array($0) }
}

/// The structure at `offset` of `bytes`, which must be long enough.
func load<T: BitwiseCopyable>(_ type: T.Type, _ bytes: [UInt8], at offset: Int = 0) -> T {
  bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
}
