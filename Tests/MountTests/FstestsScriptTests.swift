import Foundation
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// `scripts/fstests`, with a tree that stands in for fstests: what each of its tests does is in its number.
  @Suite struct FstestsScriptTests {
    private static let script = FilePath(#filePath)
      .removingLastComponent().removingLastComponent().removingLastComponent()
      .appending("scripts/fstests")

    /// The place of fstests' check(1): runs one test, and says how it went.
    private static let check = #"""
      #!/bin/bash
      . "$HOST_OPTIONS"
      mkdir -p "$RESULT_BASE/generic"
      mount -t "$FSTYP$FUSE_SUBTYP" $TEST_FS_MOUNT_OPTS $TEST_DEV $TEST_DIR || exit 1
      server() {
        for process in /proc/[0-9]*; do
          if [ "$(cat $process/comm)" = fuse4fs-server ]; then echo ${process#/proc/}; fi
        done
      }
      echo content >$TEST_DIR/file
      case $1 in
        */001) umount $TEST_DIR; echo "Passed all 1 tests" ;;
        */002) umount $TEST_DIR; echo "it wants a dragon" >"$RESULT_BASE/$1.notrun"; echo "Passed all 0 tests" ;;
        */003) umount $TEST_DIR; echo "$1 - output mismatch (see that)"; echo "    +wrong"; exit 1 ;;
        */004) kill -STOP $(server); cat $TEST_DIR/other; sleep 1000 ;;
        */005) kill -SEGV $(server); until ! kill -0 $(server); do :; done; umount $TEST_DIR; echo "Passed all 1 tests" ;;
        */006) sleep 1000 >$TEST_DIR/open & echo "Passed all 1 tests" ;;
        */007) mount -o remount,ro $TEST_DIR; touch $TEST_DIR/more && exit 1; umount $TEST_DIR; echo "Passed all 1 tests" ;;
        */008) umount $TEST_DIR; debugfs -w -R "clri <2>" $TEST_DEV; echo "Passed all 1 tests" ;;
      esac
      """#

    private func makeTree(at tree: FilePath) throws {
      let numbers = (1...8).map { "00\($0)" }
      for directory in ["", "common", "ltp", "src", "tests", "tests/generic", "tests/ext4"] {
        try Syscall.mkdir(tree.appending(directory), mode: 0o755)
      }
      for file in [
        "common/rc", "common/ext4", "ltp/fsstress", "src/lstat64", "tests/ext4/group.list",
      ]
        + numbers.map({ "tests/generic/\($0)" })
      {
        try tree.appending(file).write()
      }
      try tree.appending("tests/generic/group.list").write(
        numbers.map { "\($0) auto quick\n" }.joined())
      try tree.appending("check").write(Self.check)
    }

    private func run(in scratch: Scratch, expecting expected: String, _ arguments: String...) throws
      -> Command.Result
    {
      try scratch.appending("expected").write(expected)
      return try Command(
        [
          Self.script.string, "--fstests", scratch.appending("tree").string,
          "--fuse4fs", try Daemon.binary.get().string, "--limit", "6", "--size", "1",
          "--work", scratch.path.string, "--output", scratch.appending("out").string,
          "--expected", scratch.appending("expected").string,
        ] + arguments, timeout: 240
      ).run()
    }

    @Test func judgesWhatTestsDo() throws {
      try Scratch.with { scratch in
        try makeTree(at: scratch.appending("tree"))
        let before = try scratch.path.names()
        let accounts = try FilePath("/etc/passwd").bytes()

        let all = try run(
          in: scratch,
          expecting: """
            generic/001\tFUSE\toutput\tit\tit was
            generic/003\tours\toutput\t\\+wro.g\tsome reason
            """,
          "-g", "quick")
        #expect(all.status == 1, "\(all.description)")
        let results = try scratch.appending("out/results.tsv").text().split(separator: "\n")
          .map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
        let verdicts = Dictionary(uniqueKeysWithValues: results.map { ($0[0], $0[1]) })
        #expect(
          verdicts == [
            "generic/001": "pass", "generic/002": "notrun", "generic/003": "fail",
            "generic/004": "fail", "generic/005": "fail", "generic/006": "pass",
            "generic/007": "pass", "generic/008": "fail",
          ], "\(all.description)")
        let kinds = Dictionary(uniqueKeysWithValues: results.map { ($0[0], $0[2]) })
        #expect(
          kinds.filter { !$0.value.isEmpty } == [
            "generic/003": "output", "generic/004": "hang", "generic/005": "crash",
            "generic/008": "e2fsck",
          ])
        let reasons = Dictionary(uniqueKeysWithValues: results.map { ($0[0], String($0[4])) })
        #expect(reasons["generic/002"] == "it wants a dragon")
        #expect(reasons["generic/003"]?.contains("+wrong") == true)
        #expect(reasons["generic/004"]?.contains("limit of 6 seconds") == true)
        #expect(reasons["generic/005"]?.contains("SIGSEGV") == true)
        #expect(reasons["generic/008"]?.contains("e2fsck") == true)
        #expect(
          all.output.contains("8 tests: 3 passed, 3 failed, 1 failed as expected, 1 did not run"))
        #expect(all.output.contains("Passed, although"))
        let report = try scratch.appending("out/results.xml").text()
        // Each thread of the server that hung.
        let stacks = try scratch.appending("out/generic/004/stacks").text()
        let server = stacks.split(separator: "=== ").first { $0.contains("fuse4fs-server") }
        #expect(
          (server?.split(separator: "--- thread ").count ?? 0) > 3, "\(stacks.prefix(2000))")
        #expect(report.contains(#"tests="8" failures="3" errors="0" skipped="2""#))

        // Nothing stays, and nothing of the system's has changed.
        #expect(try scratch.path.names() == (before + ["expected", "out"]).sorted())
        #expect(try !scratch.appending("tree/common").names().contains("rc.tree"))
        #expect(try FilePath("/etc/passwd").bytes() == accounts)
        #expect(try !Command(["losetup", "--list"]).succeed().output.contains(scratch.path.string))
      }
    }

    @Test func succeedsIfNothingElseFails() throws {
      try Scratch.with { scratch in
        try makeTree(at: scratch.appending("tree"))
        let known = "# A comment.\ngeneric/003\tFUSE\toutput\t^ *\\+wrong$\tsome reason\n"
        let run = try run(in: scratch, expecting: known, "generic/003")
        #expect(run.status == 0, "\(run.description)")
      }
    }

    /// What fails in another way than is known is no expected failure.
    @Test(arguments: [
      ("generic/003", "output", "something else"), ("generic/003", "hang", ""),
      ("generic/004", "output", "."), ("generic/005", "output", "."),
      ("generic/008", "output", "."),
    ])
    func failsIfATestFailsInAnotherWay(test: String, kind: String, pattern: String) throws {
      try Scratch.with { scratch in
        try makeTree(at: scratch.appending("tree"))
        let known = "\(test)\tFUSE\t\(kind)\t\(pattern)\tsome reason\n"
        let run = try run(in: scratch, expecting: known, test)
        #expect(run.status == 1, "\(run.description)")
        #expect(run.output.contains("expected: \(kind)"), "\(run.description)")
      }
    }

    @Test func refusesAListWithoutKinds() throws {
      try Scratch.with { scratch in
        try makeTree(at: scratch.appending("tree"))
        let run = try run(
          in: scratch, expecting: "generic/001\tFUSE\tsome\tpattern\treason\n", "generic/002")
        #expect(run.status == 1 && run.errors.contains("expected to fail by 'some'"))
      }
    }

    @Test func saysWhatIsMissing() throws {
      let run = try Command([Self.script.string, "--fstests", "/usr", "generic/001"]).run()
      #expect(run.status == 2 && run.errors.contains("not a built tree"), "\(run.description)")
    }
  }
}
