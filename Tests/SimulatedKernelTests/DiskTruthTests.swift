import Foundation
import KernelDouble
import SystemPackage
import TestSupport
import Testing

/// What libext2fs shows of an image, compared with what debugfs(8) shows and what is in its blocks.
struct DiskTruthTests {
  private func number(_ image: Image, _ name: String) throws -> UInt64 {
    let shown = try image.debugfs("stat /\(name)")
    let match = try #require(shown.firstMatch(of: /Inode: (\d+)/))
    return try #require(UInt64(match.output.1))
  }

  private func contents(_ image: Image, _ truth: InodeTruth, _ blockSize: UInt64) throws -> [UInt8]
  {
    try Syscall.withOpen(image.path, O_RDONLY) { descriptor throws(Errno) in
      var bytes: [UInt8] = []
      for block in 0..<((truth.size + blockSize - 1) / blockSize) {
        guard let extent = truth.extent(at: block) else {
          bytes += [UInt8](repeating: 0, count: Int(blockSize))
          continue
        }
        let place = extent.deviceBlock + (block - extent.fileBlock)
        bytes += try Syscall.read(
          descriptor, count: Int(blockSize), at: Int(place * blockSize))
      }
      return Array(bytes[..<Int(truth.size)])
    }
  }

  @Test(arguments: [1024, 4096] as [UInt64], [false, true])
  func mappingsLeadToTheContents(blockSize: UInt64, isIndirect: Bool) throws {
    try Scratch.with { scratch in
      var fixture = ScenarioSubject.Fixture()
      fixture.blockSize = blockSize
      fixture.isIndirect = isIndirect
      fixture.size = 16 << 20
      let image = try fixture.makeExt4(at: scratch.appending("image"))
      let truth = try DiskTruth(image.path)
      #expect(truth.blockSize == blockSize)
      #expect(truth.hasExtents == !isIndirect)
      #expect(try truth.isClean())
      let data = try number(image, "data")
      let inode = try #require(try truth.inodes([data])[data])
      #expect(inode.mode == 0o100644)
      #expect(try contents(image, inode, blockSize) == ScenarioSubject.Fixture.contents)
      for (name, flag) in [("sync", 0x8), ("append", 0x20), ("immutable", 0x10)]
        as [(String, UInt32)]
      {
        let other = try number(image, name)
        let flags = try #require(try truth.inodes([other])[other]).flags
        #expect(flags & 0x38 == flag)
      }
      try image.check()
    }
  }

  @Test func unwrittenBlocksAndTimes() throws {
    try Scratch.with { scratch in
      let image = try ScenarioSubject.Fixture().makeExt4(at: scratch.appending("image"))
      try image.debugfs("fallocate /data 100 119", write: true)
      try image.debugfs("set_inode_field /data mtime @4611686018", write: true)
      let data = try number(image, "data")
      let inode = try #require(try DiskTruth(image.path).inodes([data])[data])
      #expect(inode.extent(at: 24)?.isUnwritten == false)
      #expect((100..<120).allSatisfy { inode.extent(at: $0)?.isUnwritten == true })
      #expect(inode.extent(at: 120) == nil)
      #expect(inode.modificationTime.seconds == 4_611_686_018)
      #expect(try DiskTruth(image.path).inodes([10_000])[10_000] == nil)
    }
  }

  @Test func smallFilesAreInline() throws {
    try Scratch.with { scratch in
      var fixture = ScenarioSubject.Fixture()
      fixture.hasInlineData = true
      let image = try fixture.makeExt4(at: scratch.appending("image"))
      let small = try number(image, "small")
      let inode = try #require(try DiskTruth(image.path).inodes([small])[small])
      #expect(inode.flags & 0x1000_0000 != 0)
      #expect(inode.size == 40 && inode.extents.isEmpty)
      try image.check()
    }
  }

  /// What only the journal holds counts, and the image itself stays as it is.
  @Test func theJournalIsReplayed() throws {
    try Scratch.with { scratch in
      let image = try ScenarioSubject.Fixture().makeExt4(at: scratch.appending("image"))
      let data = try number(image, "data")
      let before = try Data(contentsOf: URL(fileURLWithPath: image.path.string))
      // A copy where the file has another mode; its inode's block goes into the journal of the first.
      let copy = Image(existing: scratch.appending("copy"))
      try Command(["cp", image.path.string, copy.path.string]).succeed()
      try copy.debugfs("set_inode_field /data mode 0100600", write: true)
      let after = try Data(contentsOf: URL(fileURLWithPath: copy.path.string))
      let changed = stride(from: 4096, to: before.count, by: 4096).filter {
        before[$0..<($0 + 4096)] != after[$0..<($0 + 4096)]
      }.map { $0 / 4096 }
      #expect(!changed.isEmpty)
      for block in changed {
        let file = scratch.appending("block\(block)")
        try after[(block * 4096)..<((block + 1) * 4096)].write(
          to: URL(fileURLWithPath: file.string))
        let script = scratch.appending("script")
        try "jo\njw -b \(block) \(file)\njc\n".write(
          toFile: script.string, atomically: true, encoding: .utf8)
        try Command(["debugfs", "-w", "-f", script.string, image.path.string]).succeed()
      }
      let truth = try DiskTruth(image.path)
      #expect(try !truth.isClean())
      #expect(try truth.inodes([data])[data]?.mode == 0o100600)
    }
  }
}
