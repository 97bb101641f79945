import Foundation
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Mounts that the caller of the daemon makes and takes away: `/dev/fd/N` in the place of the mount point.
  @Suite struct CallerMountTests {
    /// Runs a shell in which `$daemon` is the binary, `$image` the image and `$point` the mount point, and which knows `attach`: mount(2) with
    /// descriptor 3.
    private func shell(
      _ site: Site, inNamespaceOf user: TestUser? = nil, _ script: String
    ) throws -> Command.Result {
      let head = """
        daemon='\(try Daemon.binary.get())' image='\(site.image.path)' point='\(site.point)'
        attach() {
          exec 3<>/dev/fuse
          mount -i -t fuse.callers -o "fd=3,rootmode=40000,user_id=0,group_id=0$1" source "$point"
        }

        """
      let namespace = user == nil ? [] : ["unshare", "--user", "--map-root-user", "--mount"]
      return try Command(namespace + ["bash", "-c", head + script], as: user, timeout: 60).run()
    }

    static let namespacesOfUsers: Bool =
      (try? Command(
        ["unshare", "--user", "--map-root-user", "--mount", "true"], as: TestUser.mounter.get()
      ).succeed()) != nil

    private func users() throws -> [TestUser?] {
      [nil] + (Self.namespacesOfUsers ? [try TestUser.mounter.get()] : [])
    }

    /// The daemon returns when the mount answers, serves it, and ends when the caller has unmounted.
    @Test func theCallerUnmounts() throws {
      for user in try users() {
        try Site.with(owner: user) { site in
          let result = try shell(
            site, inNamespaceOf: user,
            """
            attach && $daemon "$image" /dev/fd/3 || exit 1
            exec 3>&-
            echo data >"$point/file" && mkdir "$point/directory" && cat "$point/file"
            umount "$point"
            flock --timeout 20 --shared "$image" true
            """)
          #expect(result.succeeded && result.text == "data", "\(result)")
          try site.image.check()
          try site.kernel { root throws in #expect(try root.appending("file").text() == "data\n") }
        }
      }
    }

    /// The image is a descriptor as well, and the daemon runs as another user than the caller.
    @Test func theDaemonNeedsNoPrivileges() throws {
      let user = try TestUser.mounter.get()
      try Site.with { site in
        try Syscall.chmod(site.image.path, mode: 0o600)
        try Syscall.chmod(site.point, mode: 0o700)
        let result = try shell(
          site,
          """
          attach ,allow_other,default_permissions && exec 4<>"$image" || exit 1
          setpriv --reuid=\(user.uid) --regid=\(user.gid) --clear-groups \
            $daemon -f -o sandbox=on,keep_awake=off /proc/self/fd/4 /dev/fd/3 & server=$!
          exec 3>&- 4>&-
          echo data >"$point/file"; cat "$point/file"
          echo children: $(pgrep -P $server | wc -l)
          umount "$point"
          wait $server
          """)
        #expect(result.succeeded && result.text == "data\nchildren: 0", "\(result)")
        #expect(result.errors.contains("sandbox: no new privileges"), "\(result)")
        try site.image.check()
      }
    }

    /// What was written before is on disk, also what the kernel has kept so far. The mount stays, and answers nothing.
    @Test(arguments: [[], ["-s"]]) func aSignalEndsTheDaemon(arguments: [String]) throws {
      for user in try users() {
        try Site.with(owner: user) { site in
          let result = try shell(
            site, inNamespaceOf: user,
            """
            attach || exit 1
            $daemon -f \(arguments.joined()) "$image" /dev/fd/3 & server=$!
            exec 3>&-
            until grep -q Seccomp:.2 /proc/$server/status; do sleep 0.05; done
            # Each close(2) hands over what was written; here is none.
            (exec >"$point/open"; echo kept; exec sleep 30) & writer=$!
            sleep 0.5
            kill -TERM $server; wait $server; echo "daemon: $?"
            mountpoint -q "$point"; echo "mounted: $?"
            grep -c " $point " /proc/self/mounts
            stat "$point/open"
            kill $writer
            umount "$point" || umount --lazy "$point"
            """)
          #expect(result.output.contains("daemon: 0\n"), "\(result)")
          #expect(result.lines.contains("1"), "\(result)")
          #expect(result.errors.contains("not connected") || result.errors.contains("abort"))
          try site.image.check()
          try site.kernel { root throws in #expect(try root.appending("open").text() == "kept\n") }
        }
      }
    }

    @Test(arguments: [
      ("7>&-", "/dev/fd/7", "descriptor 7 is not open"),
      ("7<>/dev/fuse", "/dev/fd/7", "nothing is mounted with that /dev/fuse"),
      ("7</dev/zero", "/dev/fd/7", "neither an open /dev/fuse nor a directory"),
      ("7</etc/passwd", "/proc/self/fd/7", "neither an open /dev/fuse nor a directory"),
      ("7</etc/passwd", "/dev/fd/99999999999", "does not exist"),
    ])
    func whatCannotBeServed(redirection: String, point: String, reason: String) throws {
      try Site.with { site in
        for flag in ["", "-f"] {
          let script = "timeout 20 $daemon \(flag) \"$image\" \(point) \(redirection)"
          let refused = try shell(site, script)
          #expect(refused.status == 32, "\(refused)")
          #expect(refused.errors.contains(reason), "\(refused)")
        }
        try site.image.check()
      }
    }

    /// One that has been unmounted before the daemon was started.
    @Test func aMountThatIsGone() throws {
      try Site.with { site in
        let script = """
          attach && umount --no-canonicalize "$point" && timeout 20 $daemon -f "$image" /dev/fd/3
          """
        let refused = try shell(site, script)
        #expect(refused.status == 32)
        #expect(refused.errors.contains("or it was unmounted"), "\(refused)")
      }
    }

    /// A daemon in the background gives up its standard descriptors.
    @Test func standardInput() throws {
      try Site.with { site in
        let script = """
          attach && $daemon "$image" /dev/fd/0 0<&3 || exit 1
          exec 3>&-
          echo data >"$point/file" && cat "$point/file"
          umount "$point"
          flock --timeout 20 --shared "$image" true
          """
        let result = try shell(site, script)
        #expect(result.succeeded && result.text == "data", "\(result)")
        try site.image.check()
      }
    }

    /// The descriptor of a directory is a mount point like others.
    @Test func descriptorsOfDirectories() throws {
      try Site.with { site in
        try shell(site, "$daemon \"$image\" /dev/fd/7 7<\"$point\"").expectSuccess()
        #expect(MountTable.entry(at: site.point)?.type == "fuse.fuse4fs")
        try Command(["umount", site.point.string]).succeed()
        try Mounted.waitForEnd(of: site.image.path)
      }
    }
  }
}

extension Command.Result {
  fileprivate func expectSuccess() { #expect(succeeded, "\(self)") }
}
