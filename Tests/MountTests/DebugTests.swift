import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// `-d`: what is asked and what is answered, in lines on standard error.
  @Suite struct DebugTests {
    /// Mounts with -d, works on the mount by `work`, a script for sh(1) in its root, and returns what the daemon printed.
    private func printed(_ site: Site, _ work: String) throws -> [String] {
      let log = site.image.path.removingLastComponent().appending("debug.log")
      let script = """
        '\(try Daemon.binary.get())' -d '\(site.image.path)' '\(site.point)' 2>'\(log)' &
        daemon=$!
        for try in $(seq 200); do
          mountpoint -q '\(site.point)' && break
          sleep 0.05
        done
        result=0
        (cd '\(site.point)' && \(work)) || result=$?
        umount '\(site.point)'
        wait $daemon
        exit $result
        """
      try Command(shell: script, timeout: 60).succeed()
      return try log.text().split(separator: "\n").map(String.init)
    }

    @Test func showsEachRequestWithItsReply() throws {
      try Site.with { site in
        let lines = try printed(
          site,
          """
          mkdir directory && echo contents > file && cat file && ln -s file 'sym
          link' && readlink 'sym
          link' && mv file directory/moved && ln directory/moved second && stat -c %W second &&
          truncate -s 5 second && setfattr -n user.a -v b second && getfattr -n user.a second &&
          ls -l directory && rm second && rm directory/moved && rmdir directory && sync -f . &&
          python3 -c 'import os; os.close(os.open(".", os.O_TMPFILE | os.O_RDWR))'
          """)
        /// The reply to the request that `words` are in.
        func reply(to words: String) throws -> Substring {
          let line = try #require(lines.first { $0.contains(words) }, "\(words)")
          let number = try #require(line.split(separator: " ").first { $0.hasPrefix("#") })
          let reply = try #require(
            lines.first { $0.contains("\(number) ") && $0.contains(" reply: ") })
          let time = try #require(
            reply.wholeMatch(of: /fuse4fs: #\d+ [A-Z0-9_]+ reply: (.*), after \d+ µs/))
          return time.1
        }
        #expect(try reply(to: " INIT 7.").hasPrefix("7."))
        #expect(try reply(to: " MKDIR node 1 \"directory\", mode ").hasPrefix("node "))
        #expect(try reply(to: " MKNOD node 1 \"file\", mode 0100").hasPrefix("node "))
        #expect(try reply(to: " WRITE node ") == "9 bytes")
        #expect(try reply(to: #" SYMLINK node 1 "sym\x0alink" to "file""#).hasPrefix("node "))
        #expect(try reply(to: " READLINK node ") == "\"file\"")
        #expect(try reply(to: " RENAME2 node 1 \"file\" to \"moved\" in node ") == "done")
        #expect(try reply(to: " as \"second\"").contains(", links 2, "))
        #expect(try reply(to: " SETATTR node ").contains(", "))
        #expect(try reply(to: " SETXATTR node ") == "done")
        #expect(try reply(to: " GETXATTR node ").isEmpty == false)
        #expect(try reply(to: " UNLINK node 1 \"second\"") == "done")
        #expect(try reply(to: " RMDIR node 1 \"directory\"") == "done")
        #expect(try reply(to: " TMPFILE node 1 ").hasPrefix("node "))
        #expect(lines.contains { $0.contains(" READDIR") && $0.contains(" entr") })
        #expect(lines.contains { $0.contains(" FORGET node ") })
        // Nothing is printed by libfuse.
        #expect(!lines.contains { $0.contains("unique:") || $0.contains("opcode:") })
      }
    }
  }
}
