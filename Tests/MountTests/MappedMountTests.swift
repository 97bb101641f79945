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
        kill(holder.processIdentifier, SIGKILL)
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
        try Command(shell: "echo 0 10000 10000 > \(process.appending(map))").succeed()
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
        let ours = try site.mount(options: ["allow_other", "idmap"]) { root throws in
          try work(root, mapped)
        }
        try Site.with { other throws in
          let right = try other.kernel { root throws in try work(root, mapped) }
          #expect(ours == right)
        }
      }
    }

    /// The kernel does not say then whose a request is, for this mount as well.
    @Test func callersAreKnownAllTheSame() throws {
      try onMount(mount: ["allow_other", "idmap"]) { root throws in
        try Syscall.chmod(root, mode: 0o777)
        let file = root.appending("file")
        try file.write("x")
        try Syscall.setXattr(file, "trusted.a", [1])
        #expect(try Syscall.xattrNames(file).contains("trusted.a"))
        try Syscall.asUser(4321) { () throws in
          #expect(try !Syscall.xattrNames(file).contains("trusted.a"))
        }
        try Syscall.withOpen(root, O_RDONLY) { (open) throws(Errno) in
          _ = try Syscall.control(open, 0x4004_662B, UInt32(0))
        }
        #expect(throws: Errno.notPermitted) {
          try Syscall.asUser(4321) {
            try Syscall.withOpen(root, O_RDONLY) { (open) throws(Errno) in
              _ = try Syscall.control(open, 0x4004_662B, UInt32(0))
            }
          }
        }
      }
    }

    /// Where the kernel does not check permissions it has no mapped ids either.
    @Test func notWithoutPermissionChecks() throws {
      try Site.with { site in
        let mapped = try site.scratch.directory("mapped")
        try site.mount(options: ["fakeroot", "idmap"]) { root throws in
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
