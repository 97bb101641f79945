import Foundation
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// `scripts/load` for half a minute, and that it notices what it is there to notice.
  @Suite struct LoadTests {
    private static let script = FilePath(#filePath)
      .removingLastComponent().removingLastComponent().removingLastComponent()
      .appending("scripts/load")

    private func run(
      _ binary: FilePath, in scratch: Scratch, seconds: Int, _ arguments: String...
    ) throws -> Command.Result {
      try Command(
        [
          Self.script.string, "--fuse4fs", binary.string, "--work", scratch.path.string,
          "--seconds", "\(seconds)", "--size", "256M", "--clients", "8", "--interval", "1", "4",
          "--seed", "\(DifferentialTests.seed)",
        ] + arguments, timeout: 240
      ).run()
    }

    @Test func aDaemonThatIsStoppedAbortedAndKilledLosesNothing() throws {
      try Scratch.with { scratch in
        let result = try run(try Daemon.binary.get(), in: scratch, seconds: 20)
        #expect(result.succeeded, "\(result.description)")
        print(
          result.output.split(separator: "\n").drop { !$0.contains("clients") }.joined(
            separator: "\n"))
        for word in ["killed", "aborted", "unmounted"] {
          #expect(!result.output.contains("\(word) 0"), "no round was \(word)")
        }
        #expect(try scratch.path.names().isEmpty, "something was left behind")
      }
    }

    /// A daemon that forgets what it had written before.
    @Test func whatIsLostIsNoticed() throws {
      try Scratch.with { scratch in
        let daemon = scratch.appending("forgetful")
        let state = try scratch.directory("state")
        try Syscall.chmod(state, mode: 0o777)
        // The image is put back, once, to what it was two starts before.
        try daemon.write(
          """
          #!/bin/bash
          for word; do case $word in *.img) image=$word ;; esac; done
          starts=$(ls '\(state)' | wc -l)
          touch "\(state)/start$starts"
          [ "$starts" != 1 ] || cp "$image" "\(state)/old"
          [ "$starts" != 4 ] || cp "\(state)/old" "$image"
          exec '\(try Daemon.binary.get())' "$@"

          """)
        try Syscall.chmod(daemon, mode: 0o755)
        let result = try run(daemon, in: scratch, seconds: 6, "--size", "64M", "--clients", "3")
        #expect(result.status == 1, "\(result.description)")
        #expect(result.errors.contains("is missing"), "\(result.description)")
      }
    }
  }
}
