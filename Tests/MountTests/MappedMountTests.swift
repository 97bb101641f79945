import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

/// Whether the kernel is 6.12 or newer.
private let mappedMountsAreOffered: Bool = {
  var name = utsname()
  uname(&name)
  let release = withUnsafeBytes(of: name.release) {
    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
  }
  let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
  return numbers.count == 2 && (numbers[0], numbers[1]) >= (6, 12)
}()

extension RealMounts {
  /// Mounts whose ids are others than on disk (mount_setattr(2)); over FUSE from Linux 6.12 on.
  @Suite(.enabled(if: mappedMountsAreOffered, "the kernel has no mapped ids for FUSE"))
  struct MappedMountTests {
    /// A user namespace in which 0 to 9,999 are 10,000 to 19,999.
    private func withNamespace<R>(_ body: (CInt) throws -> R) throws -> R {
      let holder = Process()
      holder.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
      holder.arguments = ["--user", "sleep", "60"]
      try holder.run()
      defer {
        holder.terminate()
        holder.waitUntilExit()
      }
      let process = FilePath("/proc/\(holder.processIdentifier)")
      let own = try Syscall.readlink("/proc/self/ns/user")
      let deadline = Moment.now.seconds + 20
      while try Syscall.readlink(process.appending("ns/user")) == own, Moment.now.seconds < deadline
      {
        usleep(5000)
      }
      for map in ["uid_map", "gid_map"] {
        try Syscall.withOpen(process.appending(map), O_WRONLY) { (open) throws(Errno) in
          _ = try Syscall.write(open, Array("0 10000 10000".utf8), at: 0)
        }
      }
      let namespace = try Syscall.open(process.appending("ns/user"), O_RDONLY)
      defer { close(namespace) }
      return try body(namespace)
    }

    /// What is done through mapped ids, and how it looks without.
    private func work(_ root: FilePath, _ mapped: FilePath) throws -> [String] {
      try withNamespace { namespace in
        try Syscall.mountMapped(root, namespace: namespace, at: mapped)
      }
      defer { _ = try? Command(["umount", mapped.string]).run() }
      try Syscall.chmod(root, mode: 0o777)
      let shared = root.appending("shared")
      try shared.write("shared")
      try Syscall.lchown(shared, user: 5, group: 6)
      try Syscall.chmod(shared, mode: 0o600)
      var seen: [String] = []
      func note(_ name: String) throws {
        let plain = try Syscall.lstat(root.appending(name))
        let other = try Syscall.lstat(mapped.appending(name))
        seen.append(
          "\(name) \(plain.st_uid):\(plain.st_gid) \(other.st_uid) \(String(plain.st_mode, radix: 8))"
        )
      }
      try note("shared")
      try Syscall.asUser(10_005) { () throws in
        #expect(try mapped.appending("shared").text() == "shared")
      }
      #expect(throws: Errno.permissionDenied) {
        try Syscall.asUser(5) { _ = try mapped.appending("shared").text() }
      }
      try Syscall.lchown(mapped.appending("shared"), user: 10_008, group: 10_009)
      try note("shared")
      #expect(throws: Errno(rawValue: EOVERFLOW)) {
        try Syscall.lchown(mapped.appending("shared"), user: 3, group: 3)
      }
      // Ids that the mapping does not know make nothing.
      #expect(throws: Errno(rawValue: EOVERFLOW)) {
        try Syscall.asUser(7) { try mapped.appending("stranger").write() }
      }
      try Command(
        [
          "setpriv", "--reuid=10007", "--regid=10007", "--clear-groups", "sh", "-euc",
          "echo x > file; mkdir directory; ln -s x link; mknod pipe p; ln file other; chmod 640 file",
        ], in: mapped
      ).succeed()
      for name in ["file", "directory", "link", "pipe", "other"] { try note(name) }
      return seen
    }

    @Test func sameAsTheKernel() throws {
      try Site.with { site in
        let mapped = try site.scratch.directory("mapped")
        let ours = try site.mount(options: ["allow_other"]) { root throws in try work(root, mapped)
        }
        try Site.with { other throws in
          let right = try other.kernel { root throws in try work(root, mapped) }
          #expect(ours == right)
        }
      }
    }

    /// Where the kernel does not check permissions it has no mapped ids either.
    @Test func notWithoutPermissionChecks() throws {
      try Site.with { site in
        let mapped = try site.scratch.directory("mapped")
        try site.mount(options: ["fakeroot"]) { root throws in
          #expect(throws: Errno.invalidArgument) {
            try withNamespace { namespace in
              try Syscall.mountMapped(root, namespace: namespace, at: mapped)
            }
          }
        }
      }
    }
  }
}
