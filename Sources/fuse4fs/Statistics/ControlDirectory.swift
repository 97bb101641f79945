import CFuse3
import Glibc
import SystemPackage

/// A directory that holds the control sockets of one user's daemons, and that no other user but root can enter.
///
/// A socket that has a name in the file system is protected by that directory, and is reached from other network namespaces; an abstract one would be
/// open to all users of one network namespace, who could also take its name first. A unit of systemd(1), which has neither files nor networks, is
/// given a socket that root has made (`ServiceMount`).
struct ControlDirectory: ~Copyable {
  private let descriptor: CInt

  deinit { close(descriptor) }

  /// Where a user's daemons look for a place, the best first. What can be known of another user is the same but for $XDG_RUNTIME_DIR.
  static func candidates(for user: uid_t) -> [String] {
    var parents: [String] = []
    if user == 0 { parents.append("/run") }
    if user == geteuid(), let set = getenv("XDG_RUNTIME_DIR").map({ String(cString: $0) }),
      set.hasPrefix("/")
    {
      parents.append(set)
    }
    if user != 0 { parents.append("/run/user/\(user)") }
    return parents.map { $0 + "/fuse4fs" } + ["/tmp/fuse4fs-\(user)"]
  }

  /// Opens the directory `path`. Nil unless it is `user`'s and closed to others.
  init?(_ path: String, of user: uid_t) {
    let opened = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard opened >= 0 else { return nil }
    var status = stat()
    guard fstat(opened, &status) == 0, status.st_uid == user, status.st_mode & 0o077 == 0 else {
      close(opened)
      return nil
    }
    descriptor = opened
  }

  /// The first of this user's directories that can be had; it is made if need be.
  static func own() -> ControlDirectory? {
    let user = geteuid()
    for path in candidates(for: user) {
      _ = mkdir(path, 0o700)
      if let directory = ControlDirectory(path, of: user) { return directory }
    }
    return nil
  }

  /// A path to a file in it, whose length does not depend on where the directory is: the name of a socket has room for 107 bytes.
  func path(to name: String) -> String { "/proc/self/fd/\(descriptor)/\(name)" }

  /// The number of the socket `name`; nil if there is no socket of that name.
  func number(ofSocket name: String) -> UInt64? {
    var status = stat()
    guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
      status.st_mode & S_IFMT == S_IFSOCK
    else { return nil }
    return UInt64(status.st_ino)
  }

  var names: [String] {
    guard let directory = opendir(path(to: ".")) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names
  }

  func remove(_ name: String) { unlinkat(descriptor, name, 0) }
}

/// The address of a Unix socket.
struct SocketAddress {
  private var address = sockaddr_un()

  /// Nil for a path that is too long.
  init?(_ path: String) {
    let name = Array(path.utf8)
    guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
  }

  func with<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    withUnsafePointer(to: address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}
