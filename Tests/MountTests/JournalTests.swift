import Foundation
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// File systems whose journal holds changes, on the command line.
  @Suite struct JournalTests {
    /// An image with a file that is in its journal only; with files that were deleted while open if `withOrphans`.
    private func crash(
      _ site: Site, withOrphans: Bool = false, journal: FilePath? = nil
    ) throws -> Image {
      try site.kernel(options: ["commit=3000"]) { root throws in
        var open: FileDescriptor?
        if withOrphans {
          open = try FileDescriptor.open(
            root.appending("gone"), .readWrite, options: .create, permissions: [.ownerReadWrite])
          _ = try open?.writeAll(SeededGenerator.bytes(100_000, seed: 1))
          try Command(["sync", "-f", root.string]).succeed()
          try Syscall.unlink(root.appending("gone"))
        }
        try root.appending("file").write("from the journal")
        try Command(["sync", root.appending("file").string]).succeed()
        try CrashedImage.copyAtRest(site.image.path, to: site.scratch.appending("crashed"))
        if let journal {
          try CrashedImage.copyAtRest(journal, to: site.scratch.appending("crashed-journal"))
        }
        try open?.close()
      }
      return Image(existing: site.scratch.appending("crashed"))
    }

    private func replay(_ arguments: String...) throws -> Command.Result {
      try Command([try Daemon.binary.get().string, "--replay"] + arguments).run()
    }

    @Test(arguments: [[], ["ro"]])
    func isReplayedByAMount(options: [String]) throws {
      try Site.with { site in
        let image = try crash(site)
        try Mounted.with(image, at: site.point, Mounted.Plan(options: options)) { mounted throws in
          #expect(try mounted.point.appending("file").text() == "from the journal")
          #expect(mounted.messages.contains("replayed the journal"), "\(mounted.messages)")
        }
        #expect(!(try image.superblock("Filesystem features")).contains("needs_recovery"))
      }
    }

    /// After the replay a mount for reading lets other readers in, as ever.
    @Test func readersShareAfterTheReplay() throws {
      try Site.with { site in
        let image = try crash(site)
        let second = try site.scratch.directory("second")
        try Mounted.with(image, at: site.point, Mounted.Plan(options: ["ro"])) { _ throws in
          try Mounted.with(image, at: second, Mounted.Plan(options: ["ro"], check: false)) {
            mounted throws in
            #expect(try mounted.point.appending("file").text() == "from the journal")
          }
        }
      }
    }

    @Test func norecoveryLeavesItAlone() throws {
      try Site.with { site in
        let image = try crash(site)
        let before = try image.path.bytes()
        let plan = Mounted.Plan(options: ["ro", "norecovery"], check: false)
        try Mounted.with(image, at: site.point, plan) { mounted in
          #expect(!mounted.point.appending("file").exists)
        }
        #expect(try image.path.bytes() == before)
      }
    }

    @Test func cannotBeReplayedWhereNothingCanBeWritten() throws {
      try Site.with { site in
        let image = try crash(site)
        try LoopDevice.with(image.path, options: ["--read-only"]) { device in
          let refused = try Mounted.attempt(device, at: site.point, Mounted.Plan(options: ["ro"]))
          #expect(refused.status == 32)
          #expect(refused.errors.contains("-o norecovery"), "\(refused.errors)")
          let plan = Mounted.Plan(options: ["ro", "norecovery"])
          try Mounted(device, at: site.point, plan).unmount()
        }
      }
    }

    @Test func replayAndExit() throws {
      try Site.with(features: ["orphan_file"]) { site in
        let image = try crash(site, withOrphans: true)
        let replayed = try replay(image.path.string)
        #expect(replayed.succeeded, "\(replayed)")
        #expect(replayed.output.contains("replayed the journal, transactions "))
        #expect(replayed.output.contains("the deletion of 1 "), "\(replayed)")
        try image.check()
        #expect(try image.debugfs("cat file") == "from the journal")
        let again = try replay(image.path.string)
        #expect(again.succeeded && again.output.contains("nothing to replay"), "\(again)")
      }
    }

    @Test func replayInsideALargerFile() throws {
      try Site.with { site in
        let image = try crash(site)
        let disk = site.scratch.appending("disk")
        try Command(
          shell: "truncate -s 1M \(disk); cat \(image.path) >> \(disk); truncate -s +1M \(disk)"
        ).succeed()
        let replayed = try replay("-o", "offset=1M", disk.string)
        #expect(replayed.succeeded && replayed.output.contains("replayed"), "\(replayed)")
        try Image(existing: disk).check(offset: 1 << 20)
      }
    }

    @Test func replaysThatMakeNoSense() throws {
      try Site.with(features: ["^has_journal"]) { site in
        #expect(try replay().status == 1)
        #expect(try replay(site.image.path.string, site.point.string).status == 1)
        #expect(try replay("-o", "ro", site.image.path.string).status == 1)
        #expect(try replay(site.scratch.appending("nothing").string).status == 32)
        let none = try replay(site.image.path.string)
        #expect(none.succeeded && none.output.contains("no journal"), "\(none)")
        let held = try Mounted(site.image.path, at: site.point)
        #expect(try replay(site.image.path.string).status == 32, "it is in use")
        try held.unmount()
      }
    }

    @Test func aDamagedJournalIsRefusedWithASentence() throws {
      try Site.with { site in
        let image = try crash(site)
        let blocks = try image.debugfs("blocks <8>").split(separator: " ").compactMap { Int($0) }
        let first = try #require(blocks.first)
        let file = try FileDescriptor.open(image.path, .readWrite)
        try file.closeAfter { _ = try file.writeAll(toAbsoluteOffset: Int64(first * 4096), [0]) }
        let before = try image.path.bytes()
        for result in [
          try Mounted.attempt(image.path, at: site.point), try replay(image.path.string),
        ] {
          #expect(result.status == 32)
          #expect(
            result.errors.contains("its journal has no valid superblock; run e2fsck"), "\(result)")
        }
        #expect(try image.path.bytes() == before)
      }
    }

    @Test func aJournalOnAnotherDevice() throws {
      try Scratch.with { scratch in
        let journal = scratch.appending("journal")
        try Command(["mke2fs", "-q", "-F", "-O", "journal_dev", "-b", "4096", journal.string, "8M"])
          .succeed()
        try LoopDevice.with(journal) { device in
          try Site.with(options: ["-J", "device=\(device)"]) { site in
            let image = try crash(site, journal: journal)
            let copy = site.scratch.appending("crashed-journal")
            let lost = try Mounted.attempt(
              image.path, at: site.point,
              Mounted.Plan(options: ["journal_path=\(scratch.appending("nothing"))"]))
            #expect(lost.status == 32 && lost.errors.contains("journal"), "\(lost)")
            let wrong = try Mounted.attempt(
              image.path, at: site.point, Mounted.Plan(options: ["journal_path=\(site.image.path)"])
            )
            #expect(wrong.status == 32 && wrong.errors.contains("journal_path"), "\(wrong)")

            let plan = Mounted.Plan(options: ["journal_path=\(copy)"], check: false)
            try Mounted.with(image, at: site.point, plan) { mounted throws in
              #expect(try mounted.point.appending("file").text() == "from the journal")
              try mounted.point.appending("more").write("x")
              // It is in use as the image is.
              #expect(try Command(["flock", "--nonblock", copy.string, "true"]).run().status != 0)
            }
            try image.check(journal: copy)
          }
        }
      }
    }
  }
}
