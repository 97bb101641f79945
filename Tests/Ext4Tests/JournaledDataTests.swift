import Glibc
import TestSupport
import Testing

import struct SystemPackage.Errno
import struct SystemPackage.FilePath

@testable import Ext4

/// Files whose data goes through the journal (`chattr +j`).
@Suite struct JournaledDataTests {
  private typealias ModelFile = ExtentTreeTests.ModelFile

  private func setJournaling(_ isOn: Bool, of inode: Inode) throws {
    var flags: InodeFlags = inode.status().flags
    if isOn { flags.insert(.journalData) } else { flags.remove(.journalData) }
    try inode.setFlags(flags.intersection(InodeFlags.visible), projectID: nil)
    #expect(inode.journalsData == isOn)
  }

  /// The image as it would be found if the machine stopped now, and what the kernel makes of it.
  private func afterCrash(
    _ image: Image, _ scratch: Scratch, _ body: (FilePath) throws -> Void
  ) throws {
    let copy = scratch.appending("copy-\(UInt32.random(in: 0 ... .max))")
    try Command(["cp", "--sparse=always", image.path.string, copy.string]).succeed()
    let crashed = Image(existing: copy)
    try KernelMount.with(crashed, at: try scratch.directory("point")) { try body($0) }
    try crashed.check()
    try Syscall.unlink(copy)
    try Syscall.rmdir(scratch.appending("point"))
  }

  private func contents(_ path: FilePath, _ count: Int) throws -> [UInt8] {
    try Syscall.withOpen(path, O_RDONLY) { (file) throws(Errno) in
      try Syscall.read(file, count: count, at: 0)
    }
  }

  private func expect(_ path: FilePath, _ expected: [UInt8]) throws {
    let found = try contents(path, expected.count + 1)
    #expect(found == expected)
  }

  private func write(_ byte: UInt8, _ count: Int, to inode: Inode) throws {
    let bytes = [UInt8](repeating: byte, count: count)
    let written = try bytes.withUnsafeBytes { try inode.write($0, at: 0, options: []) }
    #expect(written == count)
  }

  @Test(arguments: [1024, 4096])
  func aWriteIsThereWithItsTransactionAndNotBefore(blockSize: Int) throws {
    try ExtentTreeTests.withImage(blockSize: blockSize) { image, scratch in
      let size = 16 * blockSize
      try DirectoryFixture.withOpen(image) { fixture in
        let file = try fixture.make(.regularFile, "file")
        try write(1, size, to: file)
        try setJournaling(true, of: file)
        try fixture.volume.checkpoint()
        try write(2, size, to: file)
        try afterCrash(image, scratch) { root in
          try expect(root.appending("file"), Array(repeating: 1, count: size))
        }
        try fixture.volume.synchronize()
        try afterCrash(image, scratch) { root in
          try expect(root.appending("file"), Array(repeating: 2, count: size))
        }
        var read = [UInt8](repeating: 0, count: size)
        let count = try read.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        #expect(count == size && read == Array(repeating: 2, count: size))
      }
    }
  }

  /// Without the flag, the same crash shows the new data, though the transaction is not there.
  @Test func otherFilesAreWrittenAtOnce() throws {
    try ExtentTreeTests.withImage(blockSize: 4096) { image, scratch in
      try DirectoryFixture.withOpen(image) { fixture in
        let file = try fixture.make(.regularFile, "file")
        try write(1, 4096, to: file)
        try fixture.volume.synchronize()
        try write(2, 4096, to: file)
        try afterCrash(image, scratch) { root in
          try expect(root.appending("file"), Array(repeating: 2, count: 4096))
        }
      }
    }
  }

  /// What the log holds must not come over data that was written around it later: neither of the file itself nor of the next
  /// owner of its blocks.
  @Test func replayKeepsLaterData() throws {
    try ExtentTreeTests.withImage(blockSize: 4096) { image, scratch in
      try DirectoryFixture.withOpen(image) { fixture in
        let volume = fixture.volume
        let size = 8 * 4096
        let switched = try fixture.make(.regularFile, "switched")
        let removed = try fixture.make(.regularFile, "removed")
        for file in [switched, removed] {
          try setJournaling(true, of: file)
          try write(1, size, to: file)
        }
        try volume.synchronize()
        try setJournaling(false, of: switched)
        try write(2, size, to: switched)

        let place = try #require(try removed.devicePosition(at: 0, count: UInt64(size)))
        try fixture.unlink("removed", in: fixture.root)
        try volume.forget(removed.number, count: 1)
        try volume.synchronize()
        var next: Inode?
        for index in 0..<64 where next == nil {
          let file = try fixture.make(.regularFile, "next\(index)")
          try write(3, size, to: file)
          if try file.devicePosition(at: 0, count: UInt64(size)) == place { next = file }
        }
        try #require(next != nil, "no file has got the blocks of the removed one")
        try volume.synchronize()
        let name = "next\(try #require(try names(of: next!, in: fixture)))"
        try afterCrash(image, scratch) { root in
          try expect(root.appending("switched"), Array(repeating: 2, count: size))
          try expect(root.appending(name), Array(repeating: 3, count: size))
        }
      }
    }
  }

  private func names(of inode: Inode, in fixture: DirectoryFixture) throws -> Int? {
    for index in 0..<64 {
      if try fixture.lookup("next\(index)", in: fixture.root)?.inode == inode.number {
        return index
      }
    }
    return nil
  }

  /// Everything that changes data, against a model, with transactions of 250 blocks.
  @Test(.timeLimit(.minutes(5)), arguments: [1024, 4096])
  func randomChanges(blockSize: Int) throws {
    var random = SeededGenerator(seed: UInt64(blockSize))
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "64M", blockSize: blockSize,
        options: ["-J", "size=\(blockSize == 1024 ? 1 : 4)"])
      var expected: [UInt8] = []
      try DirectoryFixture.withOpen(image) { fixture in
        var file = try ModelFile("file", in: fixture)
        for step in 0..<3000 {
          let block = random.number(0..<600)
          switch random.number(0..<1000) {
          case 0..<600: try file.write(block, seed: random.next())
          case 600..<800: try file.punch(block..<block + random.number(1..<9))
          case 800..<950: try file.preallocate(block..<block + random.number(1..<4))
          case 950..<990: try file.truncate(to: block)
          default: try setJournaling(!file.inode.journalsData, of: file.inode)
          }
          if step % 100 == 0 { try file.verify() }
        }
        try file.verify()
        expected = file.expected
      }
      try KernelMount.with(image, at: try scratch.directory("point")) { root in
        try expect(root.appending("file"), expected)
      }
      try ExtentTreeTests.checkStrictly(image)
    }
  }

  /// Ends and edges within blocks: what is behind the end reads as zeros when the file grows.
  @Test func partialBlocks() throws {
    try DirectoryFixture.with { fixture in
      let file = try fixture.make(.regularFile, "file")
      try setJournaling(true, of: file)
      try write(7, 10_000, to: file)
      try file.resize(to: 5000)
      try file.resize(to: 9000)
      try file.change(.punchHole, at: 100, length: 200, options: [])
      var expected = [UInt8](repeating: 7, count: 5000) + [UInt8](repeating: 0, count: 4000)
      expected.replaceSubrange(100..<300, with: repeatElement(0, count: 200))
      var read = [UInt8](repeating: 1, count: 9000)
      let count = try read.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
      #expect(count == 9000 && read == expected)
    }
  }
}
