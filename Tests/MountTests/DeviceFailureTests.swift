import Glibc
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// The file that holds the file system cannot be written, or is no longer what it was. What was synchronized before is there
  /// afterwards, callers get errors, and the daemon says so in its log and with its exit code.
  @Suite struct DeviceFailureTests {
    /// How a daemon in the foreground ended, and what it said.
    private struct Ending {
      let status: Int
      let log: String
      /// What the script printed.
      let output: String
    }

    /// Runs `script` while the daemon serves the image in the foreground, started by what `prefix` says; then unmounts it. In the
    /// script `$daemon` is its process.
    private func serve(
      _ image: FilePath, at point: FilePath, prefix: String = "", options: String = "",
      endingWith end: String = "umount '$point'", _ script: String
    ) throws -> Ending {
      let log = point.removingLastComponent().appending("log")
      let end = end.replacing("$point", with: point.string)
      let whole = """
        \(prefix) '\(try Daemon.binary.get())' -f \(options) '\(image)' '\(point)' > '\(log)' 2>&1 &
        daemon=$!
        for turn in $(seq 200); do
          mountpoint -q '\(point)' && break
          kill -0 $daemon 2> /dev/null || break
          sleep 0.05
        done
        set +e
        cd '\(point)'
        \(script)
        cd /
        mountpoint -q '\(point)' && \(end)
        wait $daemon
        echo "exit $?"
        """
      let result = try Command(shell: whole, timeout: 100).succeed()
      let status = try #require(result.lines.last?.split(separator: " ").last.flatMap { Int($0) })
      return Ending(
        status: status, log: try log.text(),
        output: result.lines.dropLast().joined(separator: "\n") + result.errors)
    }

    /// Saves a file and says when it is on the disk.
    private static let save = "echo kept > kept && sync kept && echo saved"

    /// What was saved is there when the image is mounted again, and e2fsck has nothing to say after that; without a journal, after
    /// it has put the rest in order.
    private func requireSaved(_ site: Site, _ features: [String] = []) throws {
      if features.contains("^has_journal") {
        // Where only data found no room, and metadata did, the image may say that it is clean; then it must be.
        if try site.image.superblock("Filesystem state") == "clean" { try site.image.check() }
        let check = try Command(["e2fsck", "-fy", site.image.path.string]).run()
        #expect(check.status <= 1, "\(check.description)")
      }
      try site.mount { root throws in
        #expect(try root.appending("kept").text() == "kept\n")
      }
    }

    /// RLIMIT_FSIZE: what lies behind it is refused as by a full disk.
    @Test(arguments: [[], ["^has_journal"]]) func fileSizeLimit(features: [String]) throws {
      try Site.with(features: features) { site in
        let ending = try serve(
          site.image.path, at: site.point, prefix: "prlimit --fsize=\(56 << 20)",
          """
          \(Self.save)
          dd if=/dev/zero of=large bs=1M count=60 conv=fsync
          echo "dd $?"
          kill -0 $daemon && echo alive
          """)
        #expect(ending.output.contains("saved"))
        #expect(ending.output.contains("dd 1") && ending.output.contains("No space left"))
        #expect(ending.output.contains("alive"), "\(ending.output)")
        #expect(ending.status == 32)
        #expect(ending.log.contains("\(56 << 20) bytes at most (ulimit -f)"), "\(ending.log)")
        #expect(ending.log.contains("not everything could be written"), "\(ending.log)")
        // Metadata lies before the limit, all of it.
        try requireSaved(site)
      }
    }

    /// The journal itself is behind the limit. ThreadSanitizer's runtime maps a larger file that it makes in TMPDIR, and does without where
    /// it cannot make one.
    @Test func fileSizeLimitBeforeTheJournal() throws {
      try Site.with { site in
        let ending = try serve(
          site.image.path, at: site.point, prefix: "TMPDIR=/dev/null prlimit --fsize=8192",
          "mountpoint '\(site.point)'")
        #expect(ending.status == 32, "\(ending)")
        #expect(ending.log.contains("bytes at most (ulimit -f)"), "\(ending.log)")
        // The superblock lies before the limit, and says that the journal, which is empty, has to be replayed.
        try site.mount { _ in }
      }
    }

    /// A sparse image on a disk that is full.
    @Test(arguments: [[], ["^has_journal"]], ["umount '$point'", "kill $daemon"])
    func hostIsFull(features: [String], end: String) throws {
      try Scratch.with { scratch in
        let disk = try scratch.directory("disk")
        let point = try scratch.directory("mnt")
        try Command(["mount", "-t", "tmpfs", "-o", "size=12M", "tmpfs", disk.string]).succeed()
        let image = try Image(at: disk.appending("disk.img"), features: features)
        let ending = try serve(
          image.path, at: point, endingWith: end,
          """
          \(Self.save)
          dd if=/dev/zero of=large bs=1M count=30 conv=fsync
          echo "dd $?"
          """)
        #expect(ending.output.contains("saved"))
        #expect(ending.output.contains("dd 1"), "\(ending.output)")
        #expect(ending.status == 32)
        #expect(ending.log.contains("not everything could be written"), "\(ending.log)")
        // There is room again.
        try Command(["mount", "-o", "remount,size=100M", disk.string]).succeed()
        try requireSaved(Site(scratch: scratch, image: image, point: point), features)
      }
    }

    /// Another program cuts the image off: the next commit notices, and nothing is written any more.
    @Test(arguments: [[], ["^has_journal"]]) func imageIsCutOff(features: [String]) throws {
      try Site.with(features: features) { site in
        let copy = site.scratch.appending("copy")
        let ending = try serve(
          site.image.path, at: site.point,
          """
          \(Self.save)
          cp --sparse=always '\(site.image.path)' '\(copy)'
          truncate -s 1M '\(site.image.path)'
          touch new
          sync new
          echo "sync $?"
          touch newer
          echo "touch $?"
          """)
        #expect(ending.output.contains("saved"))
        #expect(ending.output.contains("sync 1"), "\(ending.output)")
        #expect(ending.output.contains("touch 1"), "\(ending.output)")
        #expect(ending.status == 32)
        #expect(
          ending.log.contains(
            "another program has cut it off while it was mounted, at 1048576 of 67108864 bytes"),
          "\(ending.log)")
        #expect(ending.log.contains("writing has stopped"))
        #expect(try Syscall.stat(site.image.path).st_size == 1 << 20, "nothing was written to it")
        try requireSaved(
          Site(scratch: site.scratch, image: Image(existing: copy), point: site.point), features)
      }
    }

    /// No program asks for anything: the committer finds out.
    @Test func imageIsCutOffUnnoticed() throws {
      try Site.with { site in
        let ending = try serve(
          site.image.path, at: site.point, options: "-o commit=1",
          """
          touch new
          truncate -s 1M '\(site.image.path)'
          sleep 2.5
          touch newer
          echo "touch $?"
          """)
        #expect(ending.output.contains("touch 1"), "\(ending.output)")
        #expect(ending.log.contains("another program has cut it off"), "\(ending.log)")
        #expect(ending.status == 32)
      }
    }

    /// Writing has stopped before the end, since the file system is damaged: what had changed is lost.
    @Test(arguments: ["umount '$point'", "kill $daemon", "fusermount3 -u '$point'"])
    func writingHadStopped(end: String) throws {
      try Site.with(features: ["^has_journal"]) { site in
        try site.kernel { root throws in try Syscall.mkdir(root.appending("damaged")) }
        try site.image.debugfs("zap_block -f /damaged -p 0xFF 0", write: true)
        let ending = try serve(
          site.image.path, at: site.point, options: "-o errors=remount-ro,commit=100",
          endingWith: end, "touch new; ls -l damaged damaged/file; touch newer; echo touch $?")
        #expect(ending.output.contains("touch 1"), "\(ending.output)")
        #expect(ending.log.contains("writing has stopped"), "\(ending.log)")
        #expect(ending.log.contains("not everything could be written"), "\(ending.log)")
        #expect(ending.status == 32)
      }
    }
  }
}
