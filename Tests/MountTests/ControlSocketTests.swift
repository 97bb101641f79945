import Foundation
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Who is answered at a daemon's control socket, and what becomes of the socket.
  @Suite struct ControlSocketTests {
    private static let patience = 5.0

    /// The directory of the sockets of daemons that are not root's.
    private func directory(_ site: Site) -> FilePath { site.scratch.appending("fuse4fs") }

    private func environment(_ site: Site) -> [String] { ["XDG_RUNTIME_DIR=\(site.scratch.path)"] }

    private func plan(_ site: Site, _ user: TestUser, options: [String] = []) -> Mounted.Plan {
      Mounted.Plan(
        options: options + ["sandbox=on"], user: user, environment: environment(site))
    }

    private func stats(
      _ site: Site, of point: FilePath? = nil, as user: TestUser? = nil
    ) throws -> Command.Result {
      try Command(
        [try Daemon.binary.get().string, "stats", "--json", (point ?? site.point).string],
        as: user, timeout: 30, environment: environment(site)
      ).run()
    }

    private func socket(_ site: Site) throws -> FilePath {
      let names = try directory(site).names()
      try #require(names.count == 1, "\(names)")
      return directory(site).appending(names[0])
    }

    /// Connects as `user` to the socket, says `word`, and prints what comes.
    private func ask(_ path: FilePath, _ word: String, as user: TestUser?) throws -> Command.Result
    {
      let client = """
        import socket, sys
        client = socket.socket(socket.AF_UNIX)
        client.connect(sys.argv[1])
        try:
            client.sendall(sys.argv[2].encode())
            client.shutdown(socket.SHUT_WR)
            while data := client.recv(65536):
                sys.stdout.write(data.decode())
        except (BrokenPipeError, ConnectionResetError):
            pass
        """
      return try Command(["python3", "-c", client, path.string, word], as: user, timeout: 20).run()
    }

    @Test func onlyTheOwnerAndRootAreAnswered() throws {
      let user = try TestUser.mounter.get()
      let other = try TestUser.other.get()
      try Site.with(owner: user) { site in
        try site.mount(plan(site, user, options: ["allow_other"])) { _ in
          let path = try socket(site)
          #expect(try Syscall.stat(directory(site)).st_mode & 0o777 == 0o700)
          #expect(try Syscall.stat(path).st_mode & 0o777 == 0o600)
          #expect(try stats(site, as: user).succeeded)
          let refused = try stats(site, as: other)
          #expect(refused.status == 32)
          #expect(refused.errors.contains("is a mount of user \(user.uid)"), "\(refused)")

          // Root and the user, directly.
          for user in [nil, user] {
            #expect(try ask(path, "", as: user).output.hasPrefix("{\"format\":1,"))
            #expect(try ask(path, "prometheus\n", as: user).output.hasPrefix("# HELP "))
            #expect(try ask(path, "nonsense\n", as: user).output == "")
          }
          #expect(try !ask(path, "", as: other).succeeded)
          // Past what the file system forbids.
          try Syscall.chmod(directory(site), mode: 0o777)
          try Syscall.chmod(path, mode: 0o777)
          let answer = try ask(path, "", as: other)
          #expect(answer.succeeded && answer.output == "", "\(answer)")
        }
      }
    }

    /// Root's daemons have theirs in /run.
    @Test func rootsSocket() throws {
      try Site.with { site in
        try site.mount { _ in
          #expect(try Syscall.stat("/run/fuse4fs").st_mode & 0o777 == 0o700)
          #expect(try stats(site).succeeded)
          let refused = try stats(site, as: try TestUser.other.get())
          #expect(refused.status == 32 && refused.errors.contains("is a mount of user 0"))
        }
      }
    }

    /// The file goes with the daemon, however that ends, and one that was left behind is replaced.
    @Test func noSocketStays() throws {
      let user = try TestUser.mounter.get()
      try Site.with(owner: user) { site in
        func names() throws -> [String] {
          for _ in 0..<100 where try !directory(site).names().isEmpty { usleep(50_000) }
          return try directory(site).names()
        }
        try site.mount(plan(site, user)) { _ throws in #expect(try socket(site).exists) }
        #expect(try names() == [])

        let mounted = try Mounted(site.image.path, at: site.point, plan(site, user))
        #expect(try socket(site).exists)
        Daemon.kill(at: site.point)
        try Mounted.waitForEnd(of: mounted.source)
        #expect(try names() == [])
        let dead = try stats(site, as: user)
        #expect(dead.status == 32 && dead.errors.contains("no control socket"), "\(dead)")
        try Command(["umount", site.point.string]).succeed()

        // Whichever number the kernel gives to the mount.
        let leave = """
          import os, socket
          os.chdir("\(directory(site))")
          for number in range(30, 400):
              left = socket.socket(socket.AF_UNIX)
              left.bind(f"0:{number}.socket")
              left.close()
          """
        try Command(["python3", "-c", leave], as: user).succeed()
        #expect(try directory(site).names().count > 300)
        try site.mount(plan(site, user)) { _ throws in
          let answer = try stats(site, as: user)
          #expect(answer.succeeded, "\(answer)")
          #expect(try socket(site).exists)
        }
      }
    }

    /// Clients that say nothing, and that do not take their answer, hold up neither the file system nor, for long, other clients.
    @Test func idleClients() throws {
      let user = try TestUser.mounter.get()
      try Site.with(owner: user) { site in
        try site.mount(plan(site, user, options: ["allow_other"])) { root in
          let idle = """
            import socket, sys, time
            clients = []
            for number in range(3):
                client = socket.socket(socket.AF_UNIX)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                client.connect(sys.argv[1])
                if number == 1: client.sendall(b"table\\n")
                clients.append(client)
            print("connected", flush=True)
            time.sleep(20)
            """
          let process = Process()
          process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
          process.arguments = ["python3", "-c", idle, try socket(site).string]
          let output = Pipe()
          process.standardOutput = output
          try process.run()
          defer { process.terminate() }
          #expect(try output.fileHandleForReading.read(upToCount: 9) == Data("connected".utf8))
          let start = Date()
          for number in 0..<20 { try Syscall.mkdir(root.appending("directory\(number)")) }
          #expect(Date().timeIntervalSince(start) < 2)
          #expect(try stats(site, as: user).succeeded)
          #expect(Date().timeIntervalSince(start) < Self.patience + 2)
        }
      }
    }

    @Test func aDaemonThatDoesNotAnswer() throws {
      let user = try TestUser.mounter.get()
      try Site.with(owner: user) { site in
        try site.mount(plan(site, user)) { root in
          let daemon = try #require(Daemon.processes(at: site.point).first)
          kill(daemon, SIGSTOP)
          defer { kill(daemon, SIGCONT) }
          let result = try stats(site, as: user)
          #expect(result.status == 32 && result.errors.contains("does not answer"), "\(result)")
        }
      }
    }

    @Test func whatIsNoMountOfOurs() throws {
      try Site.with { site in
        for (point, message) in [
          (site.point, "is not the mount point of a fuse4fs mount"),
          (site.scratch.appending("nothing"), "No such file or directory"),
          ("/proc", "is not the mount point of a fuse4fs mount"),
        ] {
          let result = try stats(site, of: point)
          #expect(result.status == 32 && result.errors.contains(message), "\(result)")
        }
        let fuse4fs = try Daemon.binary.get().string
        #expect(try Command([fuse4fs, "stats"]).run().status == 1)
        #expect(try Command([fuse4fs, "stats", "--json", "--prometheus", "/"]).run().status == 1)
        #expect(try Command([fuse4fs, "stats", "--help"]).succeed().output.contains("MOUNTPOINT"))
      }
    }

    @Test(arguments: ["on", "off"]) func aSignalHasItLogged(sandbox: String) throws {
      try Site.with { site in
        let script = """
          '\(try Daemon.binary.get())' -f -o sandbox=\(sandbox) '\(site.image.path)' '\(site.point)' & daemon=$!
          until mountpoint -q '\(site.point)'; do sleep 0.05; done
          mkdir '\(site.point)/a' '\(site.point)/b'
          kill -USR1 $daemon
          sleep 0.5
          mkdir '\(site.point)/c'
          umount '\(site.point)'; wait $daemon
          """
        let log = try Command(shell: script, timeout: 20).succeed().errors
        let head = "info: statistics of \(site.image.path): "
        #expect(log.contains(head + "MKDIR: count 2, errors 0, bytes 0; mean "), "\(log)")
        #expect(log.contains(head + "requests "), "\(log)")
        #expect(log.split(separator: "\n").count { $0.contains("MKDIR") } == 1)
        try site.image.check()
      }
    }
  }
}
