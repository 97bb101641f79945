import Foundation
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// What `scripts/test` consists of: the order of the suites, where they run, and what is looked at when they have.
  @Suite struct TestScriptTests {
    private static let scripts = FilePath(#filePath)
      .removingLastComponent().removingLastComponent().removingLastComponent()
      .appending("scripts")

    // MARK: - The machine

    /// Each change is made in a mount namespace, where it does not outlive the script. $1 is an empty directory, $2 a file.
    @Test(arguments: [
      ("cp /etc/fuse.conf $1/c; echo x >>$1/c; mount --bind $1/c /etc/fuse.conf", "/etc/fuse.conf"),
      ("(cat /etc/passwd; echo new:x:7:7::/:/bin/sh) >$1/p; mount --bind $1/p /etc/passwd", "new:"),
      ("mount -t tmpfs none $1", "mount: "),
      ("losetup --find $2", "loop device: "),
      ("mount -t tmpfs none $1; mknod $1/f c 10 229; mount --bind $1/f /dev/fuse", "/dev/fuse: c"),
    ])
    func whatHasChangedIsSaid(change: String, said: String) throws {
      try Scratch.with { scratch in
        let (state, image) = (scratch.appending("state"), scratch.appending("image"))
        try image.write([UInt8](repeating: 0, count: 1 << 20))
        defer {
          _ = try? Command(
            shell: "losetup -j '\(image)' -n -O NAME | xargs -r losetup -d", in: scratch.path
          ).run()
        }
        let script = """
          umask 027
          "$3/machine-state" >"$4"
          "$3/machine-state" --check "$4"
          \(change)
          ! "$3/machine-state" --check "$4"
          """
        let run = try Command([
          "unshare", "--mount", "sh", "-euc", script, "sh", try scratch.directory("work").string,
          image.string, Self.scripts.string, state.string,
        ]).succeed()
        #expect(run.errors.contains("The machine is not as it was before"), "\(run.description)")
        #expect(run.errors.contains(said), "\(run.description)")
      }
    }

    @Test func theNamespaceBringsWhatTestsNeed() throws {
      try Scratch.with { scratch in
        try Scratch.with { outside in
          let script = """
            [ "$(id -u fuse4fs-test)" != "$(id -u fuse4fs-other)" ]
            grep -qx user_allow_other /etc/fuse.conf
            for user in fuse4fs-test fuse4fs-other; do
              setpriv --reuid=$user --regid=$user --clear-groups --inh-caps=-all \
                sh -euc 'exec 3<>/dev/fuse; touch "$1"' sh "$1/home/$user/new"
            done
            touch "$1/new"
            for path in /etc/new /dev/new /usr/new "$2/new"; do
              ! touch "$path" 2>/dev/null || echo "$path can be made"
            done
            ! chmod 0600 /dev/null 2>/dev/null || echo "/dev/null can be changed"
            """
          let run = try Command([
            "unshare", "--mount", "--propagation", "private",
            Self.scripts.appending("test-namespace").string, scratch.path.string,
            "sh", "-euc", script, "sh", scratch.path.string, outside.path.string,
          ]).succeed()
          #expect(run.output.isEmpty, "\(run.description)")
          #expect(scratch.appending("new").exists)
          try outside.appending("new").write()
        }
      }
    }

    // MARK: - The order

    /// Stands in for the executable: its tests pass, but for those that are named after what they do.
    private static let executable = #"""
      #!/bin/sh
      case "$*" in
        *--list-tests*)
          for suite in A B C D E F; do echo "XTests.$suite/passes()"; done
          if [ -e "$0.broken" ]; then printf '%s\n' "XTests.A/fails()" "XTests.B/dies()"; fi ;;
        *fails*) echo "x Test fails() failed after 1 second."; exit 1 ;;
        *dies*) kill -SEGV $$ ;;
        *) if [ -e "$0.lost" ]; then set --; fi
          echo "x Test run with $(($(echo "$*" | grep -o -e --filter | wc -l))) tests in 1 suite passed" ;;
      esac
      """#

    private func run(in scratch: Scratch, _ arguments: String...) throws -> Command.Result {
      let executable = scratch.appending("executable")
      try executable.write(Self.executable)
      try Syscall.chmod(executable, mode: 0o755)
      return try Command(
        [
          "python3", "-B", Self.scripts.appending("test.d/suites.py").string, "--executable",
          executable.string,
        ] + arguments
      ).run()
    }

    private func order(_ run: Command.Result) -> [String] {
      run.lines.filter { $0.hasPrefix("--- ") }
    }

    @Test func theSeedDecidesTheOrder() throws {
      try Scratch.with { scratch in
        let runs = try (1...4).map { try run(in: scratch, "--seed", String($0)) }
        for run in runs {
          #expect(run.status == 0, "\(run.description)")
          #expect(run.output.contains("Test run with 6 tests in 6 suites passed"))
          #expect(order(run).count == 6)
        }
        #expect(Set(runs.map { order($0) }).count > 1)
        let some = try run(in: scratch, "--seed", "1", "--filter", "[AB]/", "--skip", "B")
        #expect(order(some) == ["--- XTests.A"], "\(some.description)")
      }
    }

    @Test func whatFailsIsNamedAndCounts() throws {
      try Scratch.with { scratch in
        try scratch.appending("executable.broken").write()
        let broken = try run(in: scratch, "--seed", "7")
        #expect(broken.status == 1)
        #expect(broken.output.contains("Suite XTests.A failed: exit code 1"))
        #expect(broken.output.contains("Test fails() failed"))
        #expect(broken.output.contains("Suite XTests.B died of signal 11"))
        #expect(broken.output.contains("2 suites failed; the order was that of --seed 7"))
        #expect(try run(in: scratch, "--seed", "7", "--filter", "nothing").status == 1)
      }
    }

    @Test func aTestThatDidNotRunHasNotPassed() throws {
      try Scratch.with { scratch in
        try scratch.appending("executable.lost").write()
        let run = try run(in: scratch, "--seed", "7")
        #expect(run.status == 1, "\(run.description)")
        #expect(run.output.contains("6 tests in 6 suites ran 0 tests"))
      }
    }
  }
}
