import Glibc
import SystemPackage

/// The service manager that has started this process, as sd_notify(3) and sd_listen_fds(3) describe what it understands.
///
/// It keeps descriptors of a unit from one command of the unit to the next (`FileDescriptorStoreMax=`).
final class ServiceManager: Sendable {
  /// A datagram socket that is connected to the manager's.
  private let socket: CInt

  /// - Throws: a usage failure where there is no manager.
  init() throws(StartupFailure) {
    guard let path = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }), !path.isEmpty else {
      throw .usage(
        "--systemd is for the commands of a unit that has NotifyAccess=exec: NOTIFY_SOCKET is not set"
      )
    }
    let kind = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
    socket = Glibc.socket(AF_UNIX, kind, 0)
    guard socket >= 0 else { throw .system("make a socket", .last) }
    guard Self.connect(socket, to: path) else {
      throw .system("reach the service manager at '\(path)'", .last)
    }
  }

  deinit { close(socket) }

  private static func connect(_ socket: CInt, to path: String) -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var name = Array(path.utf8)
    // The name of a socket without a file begins with a zero byte, which is written as @.
    let isAbstract = name.first == UInt8(ascii: "@")
    if isAbstract { name[0] = 0 }
    guard name.count < MemoryLayout.size(ofValue: address.sun_path) else {
      errno = ENAMETOOLONG
      return false
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
    let length = MemoryLayout<sa_family_t>.size + name.count + (isAbstract ? 0 : 1)
    return withUnsafePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(socket, $0, socklen_t(length)) == 0
      }
    }
  }

  // MARK: What it is told

  /// The unit is up. This works in a confined process, too.
  func ready() { _ = try? send("READY=1") }

  /// Gives descriptors to the manager, and returns when it has them.
  func keep(_ descriptors: [(ServiceDescriptor, CInt)]) throws(StartupFailure) {
    do throws(Errno) {
      for (name, descriptor) in descriptors {
        try send("FDSTORE=1\nFDNAME=\(name.rawValue)", descriptor)
      }
      try synchronize()
    } catch {
      throw .system("give descriptors to the service manager", error)
    }
  }

  /// The manager closes its copies: while it has one of /dev/fuse, the mount of a daemon that has died keeps its users waiting.
  private func drop(_ names: [ServiceDescriptor]) throws(Errno) {
    for name in names { try send("FDSTOREREMOVE=1\nFDNAME=\(name.rawValue)") }
    try synchronize()
  }

  /// Returns when the manager has read all that was sent: it closes the descriptor that it gets with this.
  private func synchronize() throws(Errno) {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { throw .last }
    defer { close(ends[0]) }
    let result = Result { () throws(Errno) in try send("BARRIER=1", ends[1]) }
    close(ends[1])
    try result.get()
    var file = pollfd(fd: ends[0], events: 0, revents: 0)
    var count: CInt = 0
    repeat { count = poll(&file, 1, Self.patienceMilliseconds) } while count < 0 && errno == EINTR
    if count == 0 { throw .timedOut }
    if count < 0 { throw .last }
  }

  private static let patienceMilliseconds: CInt = 30_000

  private func send(_ text: String, _ descriptor: CInt? = nil) throws(Errno) {
    let bytes = Array(text.utf8)
    guard let descriptor else {
      guard write(socket, bytes, bytes.count) >= 0 else { throw .last }
      return
    }
    // struct cmsghdr with its length, level and type, then the descriptor, up to a multiple of 8 bytes.
    let control = UnsafeMutableRawBufferPointer.allocate(byteCount: 24, alignment: 8)
    defer { control.deallocate() }
    control.initializeMemory(as: UInt8.self, repeating: 0)
    control.storeBytes(of: 20, as: Int.self)
    control.storeBytes(of: SOL_SOCKET, toByteOffset: 8, as: CInt.self)
    control.storeBytes(of: CInt(SCM_RIGHTS), toByteOffset: 12, as: CInt.self)
    control.storeBytes(of: descriptor, toByteOffset: 16, as: CInt.self)
    let count = bytes.withUnsafeBytes { bytes in
      var part = iovec(
        iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
      return withUnsafeMutablePointer(to: &part) { part in
        var message = msghdr()
        message.msg_iov = part
        message.msg_iovlen = 1
        message.msg_control = control.baseAddress
        message.msg_controllen = control.count
        return sendmsg(socket, &message, 0)
      }
    }
    guard count >= 0 else { throw .last }
  }

  // MARK: What it has kept

  /// Takes the descriptors that this process was started with, by their names. From then on the manager has none of them.
  func take() throws(StartupFailure) -> [ServiceDescriptor: CInt] {
    let count = Self.variable("LISTEN_FDS").flatMap { CInt($0) } ?? 0
    let names = Self.variable("LISTEN_FDNAMES")?.split(
      separator: ":", omittingEmptySubsequences: false)
    guard Self.variable("LISTEN_PID") == "\(getpid())", count > 0, let names else {
      throw .usage(
        "the service manager has passed no descriptors: 'fuse4fs --systemd mount' must be a command of the same unit "
          + "before, and the unit needs FileDescriptorStoreMax=\(ServiceDescriptor.allCases.count)")
    }
    var found: [ServiceDescriptor: CInt] = [:]
    for (name, descriptor) in zip(names, Self.first..<Self.first + count) {
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      if let name = ServiceDescriptor(rawValue: String(name)) { found[name] = descriptor }
    }
    do throws(Errno) {
      try drop(Array(found.keys))
    } catch {
      throw .system("have the service manager close its descriptors", error)
    }
    return found
  }

  /// SD_LISTEN_FDS_START.
  private static let first: CInt = 3

  static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
