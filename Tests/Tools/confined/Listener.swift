import CFuse3
import Glibc

/// A socket that listens, with clients that have connected before anything was given up.
struct Listener {
  let descriptor: CInt
  private let client: CInt

  init() {
    let kind = CInt(SOCK_STREAM.rawValue)
    descriptor = socket(AF_UNIX, kind, 0)
    client = socket(AF_UNIX, kind, 0)
    var address = sockaddr_un()
    var size = socklen_t(MemoryLayout<sa_family_t>.size)
    address.sun_family = sa_family_t(AF_UNIX)
    let (descriptor, client) = (descriptor, client)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        // The kernel chooses a name.
        _ = bind(descriptor, address, size)
        _ = listen(descriptor, 4)
        size = socklen_t(MemoryLayout<sockaddr_un>.size)
        _ = getsockname(descriptor, address, &size)
        _ = connect(client, address, size)
      }
    }
  }

  func accept() -> Int {
    let connection = cfuse_system_call(Int(SYS_accept4), Int(descriptor), 0, 0, 0, 0)
    if connection >= 0 { close(CInt(connection)) }
    return connection
  }

  func userOfPeer() -> Int {
    var credentials = InlineArray<3, UInt32>(repeating: 0)
    var size: socklen_t = 12
    return withUnsafeMutableBytes(of: &credentials) {
      Int(getsockopt(client, SOL_SOCKET, SO_PEERCRED, $0.baseAddress, &size))
    }
  }

  /// Where nothing is given up, that is EISCONN.
  func connectAgain() -> Int {
    var address = sockaddr_un()
    var size = socklen_t(MemoryLayout<sockaddr_un>.size)
    return withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        _ = getsockname(descriptor, address, &size)
        return Int(connect(client, address, size))
      }
    }
  }
}
