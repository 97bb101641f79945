import Foundation
import Journal
import TestSupport
import Testing

import struct SystemPackage.FilePath

@testable import Ext4

/// Logs that the kernel has written, replayed by us, by e2fsck and by the kernel: the same bytes.
@Suite(.serialized, .enabled(if: getuid() == 0)) struct KernelLogTests {
  @Test(arguments: KernelCrash.all)
  func isReplayedAsByE2fsckAndTheKernel(crash: KernelCrash) throws {
    try Scratch.with { scratch in
      let crashed = try crash.make(in: scratch)
      let ours = try crashed.copy("ours", in: scratch)
      let report = try #require(try Recoverer.fuse4fs(ours))
      #expect(report.neededRecovery && !report.hadError)
      #expect(report.outcome.blocks > 10)
      if !crash.journalsData { #expect(report.outcome.revokes > 0) }
      try ours.image.check(journal: ours.journal)
      #expect(!(try ours.image.superblock("Filesystem features")).contains("needs_recovery"))
      #expect(try ours.image.superblock("Filesystem state") == "clean")

      let byE2fsck = try crashed.copy("e2fsck", in: scratch)
      let checked = try Recoverer.e2fsck(byE2fsck)
      #expect(checked.status == 0, "\(checked)")
      #expect(try difference(ours, byE2fsck, crash) == [])

      let byKernel = try crashed.copy("kernel", in: scratch)
      #expect(try Recoverer.kernel(byKernel, at: try scratch.directory("mnt")))
      #expect(try difference(ours, byKernel, crash) == [])

      // There was something to do, and nothing is left to do.
      #expect(try difference(ours, crashed, crash) != [])
      let again = try Recoverer.fuse4fs(ours)
      #expect(again?.outcome.transactions ?? 0 == 0)
    }
  }

  private func difference(
    _ a: KernelCrash.Result, _ b: KernelCrash.Result, _ crash: KernelCrash
  ) throws -> [String] {
    try ImageDifference.blocks(
      a.image, b.image, blockSize: crash.blockSize, hasInternalJournal: !crash.isExternal)
  }

  /// What is on top of the last transaction would be lost, so it is not replayed at all.
  @Test func fastCommitsAreForOthers() throws {
    try Scratch.with { scratch in
      let crash = KernelCrash(name: "fast commits", features: ["fast_commit"], journalSize: 2)
      let crashed = try crash.make(in: scratch)
      let before = try ImageDifference.contents(crashed.image.path)
      let refusal = #expect(throws: MountRefusal.self) { try Recoverer.fuse4fs(crashed) }
      #expect(refusal?.description.contains("e2fsck -p") == true)
      #expect(try ImageDifference.contents(crashed.image.path) == before)
    }
  }

  /// The kernel writes no such logs any more, but debugfs does.
  @Test(arguments: [(1, 1024), (2, 1024), (2, 4096), (3, 1024)])
  func isReplayedAsDebugfsWroteIt(checksum: Int, blockSize: Int) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "16M", features: ["metadata_csum"],
        blockSize: blockSize, options: ["-J", "size=\(blockSize / 1024)"])
      let block = scratch.appending("block")
      var script = "journal_open -c -v \(checksum)\n"
      for round in 0..<5 {
        var bytes = SeededGenerator.bytes(blockSize * 7, seed: UInt64(round))
        // The third one begins as a block of the log does.
        bytes.replaceSubrange(2 * blockSize..<2 * blockSize + 4, with: [0xC0, 0x3B, 0x39, 0x98])
        let path = "\(block)-\(round)"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let first = blockSize == 1024 ? 15000 : 3500
        script += "journal_write -b \(first + round * 4)-\(first + round * 4 + 6) \(path)\n"
        if round == 2 { script += "journal_write -r \(first + 9)\n" }
      }
      let commands = scratch.appending("commands")
      try (script + "journal_close\n").write(
        toFile: commands.string, atomically: false, encoding: .utf8)
      try Command(["debugfs", "-w", "-f", commands.string, image.path.string]).succeed()
      let crashed = KernelCrash.Result(image: image)

      let ours = try crashed.copy("ours", in: scratch)
      let outcome = try #require(try Recoverer.fuse4fs(ours)).outcome
      #expect(outcome.transactions >= 5 && outcome.revokes == 1)
      let byE2fsck = try crashed.copy("e2fsck", in: scratch)
      #expect(try Recoverer.e2fsck(byE2fsck).status == 0)
      #expect(
        try ImageDifference.blocks(
          ours.image, byE2fsck.image, blockSize: blockSize, hasInternalJournal: true) == [])
      #expect(
        try ImageDifference.blocks(
          ours.image, image, blockSize: blockSize, hasInternalJournal: true
        ).count > 20)
    }
  }
}
