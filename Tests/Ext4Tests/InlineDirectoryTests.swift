import TestSupport
import Testing

@testable import Ext4

/// Directories in their inodes.
@Suite struct InlineDirectoryTests {
  @Test(arguments: [256, 1024], [[], ["^metadata_csum"], ["^dir_index"]])
  func growsIntoABlock(inodeSize: Int, features: [String]) throws {
    try withInlineDirectory(inodeSize: inodeSize, features) { fixture, directory in
      let file = try fixture.make(.regularFile, "file")
      #expect(directory.flags.contains(.inlineData))
      #expect(try fixture.isEmpty(directory))
      #expect(try fixture.lookup(".", in: directory)?.inode == directory.number)
      #expect(try fixture.lookup("..", in: directory)?.inode == .root)

      var links = 1
      var wasInline = 0
      for number in 0..<400 {
        try fixture.insert("name \(number)", file, in: directory)
        if directory.flags.contains(.inlineData) { wasInline += 1 }
        for earlier in stride(from: number, through: 0, by: -3) {
          try #require(
            try fixture.lookup("name \(earlier)", in: directory)
              .map { $0.inode == file.number && $0.type == .regular } == true)
        }
        #expect(try fixture.names(in: directory, step: 2).count == number + 1)
        links += 1
      }
      #expect(wasInline >= 2)
      #expect(!directory.flags.contains(.inlineData))
      try fixture.setLinkCount(of: file, to: links)
    }
  }

  @Test func changesInPlace() throws {
    try withInlineDirectory(inodeSize: 256, []) { fixture, directory in
      let file = try fixture.make(.regularFile, "file")
      let pipe = try fixture.make(.fifo, "pipe")
      let outer = try fixture.make(.directory, "outer")
      try fixture.insert("a", file, in: directory)
      try fixture.insert("b", file, in: directory)
      try fixture.insert("c", file, in: directory)
      try fixture.replace("b", pipe, in: directory)
      #expect(try fixture.lookup("b", in: directory)?.type == .fifo)
      try fixture.replace("..", outer, in: directory)
      #expect(try fixture.lookup("..", in: directory)?.inode == outer.number)
      try fixture.replace("..", try fixture.root, in: directory)
      try fixture.remove("a", from: directory)
      try fixture.remove("c", from: directory)
      #expect(throws: Ext4Error.self) { try fixture.remove("c", from: directory) }
      #expect(try !fixture.isEmpty(directory))
      #expect(Array(try fixture.names(in: directory).keys) == ["b"])
      try fixture.remove("b", from: directory)
      #expect(try fixture.isEmpty(directory))
      #expect(directory.flags.contains(.inlineData))
    }
  }

  /// Listing goes on across the move into a block.
  @Test(arguments: [[], ["^dir_index"]])
  func conversionWhileReading(features: [String]) throws {
    for read in 0..<6 {
      try withInlineDirectory(inodeSize: 256, features) { fixture, directory in
        let file = try fixture.make(.regularFile, "file")
        for name in ["a", "b", "c"] { try fixture.insert(name, file, in: directory) }
        try fixture.remove("b", from: directory)
        var cookie: UInt64 = 0
        var seen = try fixture.list(directory, from: &cookie, limit: read).map(\.0)
        for number in 0..<60 { try fixture.insert("new \(number)", file, in: directory) }
        #expect(!directory.flags.contains(.inlineData))
        seen += try fixture.list(directory, from: &cookie).map(\.0)
        #expect(seen.filter { !$0.hasPrefix("new") }.sorted() == [".", "..", "a", "c"])
        try fixture.setLinkCount(of: file, to: 63)
      }
    }
  }

  /// Without a free block the directory stays as it is.
  @Test func conversionInAFullFileSystem() throws {
    try withInlineDirectory(inodeSize: 256, ["^has_journal"], size: "2M") { fixture, directory in
      let file = try fixture.make(.regularFile, "file")
      let filler = try fixture.make(.directory, "filler")
      for number in 0..<20 { try fixture.make(.regularFile, "\(number)", in: filler) }
      var links = 1
      var failure: Ext4Error?
      for number in 0..<60_000 where failure == nil {
        do throws(Ext4Error) {
          try fixture.insert("\(number)" + String(repeating: "n", count: 200), file, in: filler)
          links += 1
        } catch {
          failure = error
        }
      }
      #expect(failure?.errno == .noSpace)
      var names: Set<String> = []
      failure = nil
      for number in 0..<100 where failure == nil {
        do throws(Ext4Error) {
          try fixture.insert("name \(number)", file, in: directory)
          names.insert("name \(number)")
          links += 1
        } catch {
          failure = error
        }
      }
      #expect(failure?.errno == .noSpace)
      #expect(directory.flags.contains(.inlineData))
      #expect(Set(try fixture.names(in: directory).keys) == names)
      try fixture.setLinkCount(of: file, to: links)
    }
  }

  /// Random damage in the inode: anything may be answered, but nothing crashes.
  @Test(.timeLimit(.minutes(2))) func randomDamage() throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), features: ["inline_data"], blockSize: 1024)
      try image.debugfs("mkdir inline", write: true)
      try DirectoryFixture.open(image) { fixture in
        defer { fixture.volume.discard() }
        try damageInode(fixture)
      }
    }
  }

  private func damageInode(_ fixture: DirectoryFixture) throws {
    let directory = try fixture.open("inline")
    let size = fixture.volume.inodeSize
    let file = try fixture.make(.regularFile, "file")
    for name in ["a", "bb"] { try fixture.insert(name, file, in: directory) }
    let raw = UnsafeMutableRawPointer(directory.raw)
    let before = Array(UnsafeRawBufferPointer(start: raw, count: size))
    var random = SeededGenerator(seed: 5)
    for _ in 0..<5000 {
      for _ in 0..<random.number(1..<6) {
        let offset = random.oneIn(2) ? random.number(40..<100) : random.number(128..<size)
        raw.storeBytes(
          of: UInt8(truncatingIfNeeded: random.next()), toByteOffset: offset, as: UInt8.self)
      }
      for operation in 0..<6 {
        do throws(Ext4Error) {
          var cookie: UInt64 = 0
          switch operation {
          case 0: _ = try fixture.lookup("bb", in: directory)
          case 1: _ = try fixture.list(directory, from: &cookie)
          case 2: _ = try fixture.isEmpty(directory)
          case 3: try fixture.replace("..", file, in: directory)
          case 4: try fixture.remove("a", from: directory)
          default: try fixture.insert("new", file, in: directory)
          }
        } catch {
          try #require([2, 5, 28, 117].contains(error.errno.rawValue), "\(error)")
        }
      }
      before.withUnsafeBytes { raw.copyMemory(from: $0.baseAddress!, byteCount: size) }
      directory.mappings.removeAll()
      directory.directoryHints = DirectoryHints()
      try fixture.locked { () throws(Ext4Error) in try directory.store() }
    }
    #expect(Set(try fixture.names(in: directory).keys) == ["a", "bb"])
  }

  private func withInlineDirectory(
    inodeSize: Int, _ features: [String], size: String = "64M",
    _ body: (DirectoryFixture, Inode) throws -> Void
  ) throws {
    try DirectoryFixture.with(
      size: size, features: ["inline_data"] + features, blockSize: 1024,
      options: ["-I", String(inodeSize)],
      setUp: ["debugfs", "-w", "-R", "mkdir inline"]
    ) { fixture in
      try body(fixture, try fixture.open("inline"))
    }
  }
}
