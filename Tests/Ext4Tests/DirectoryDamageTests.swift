import Glibc
import TestSupport
import Testing

@testable import Ext4

/// Directories with random damage: anything may be answered, but everything ends and nothing crashes.
@Suite struct DirectoryDamageTests {
  struct Kind: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let features: [String]
    let names: Int
    var blockSize = 1024
    /// Bytes that every name is made longer by.
    var padding = 0

    func name(_ number: Int) -> String {
      "the name \(number)" + String(repeating: "n", count: padding)
    }
  }

  static let kinds = [
    Kind(testDescription: "one block", features: ["^metadata_csum"], names: 10),
    Kind(testDescription: "index", features: ["^metadata_csum"], names: 300),
    Kind(testDescription: "two levels", features: ["^metadata_csum"], names: 6000),
    Kind(
      testDescription: "three levels", features: ["^metadata_csum", "large_dir"], names: 40_000,
      padding: 230),
    Kind(testDescription: "no index", features: ["^metadata_csum", "^dir_index"], names: 300),
    Kind(testDescription: "4 KiB", features: ["^metadata_csum"], names: 3000, blockSize: 4096),
    Kind(testDescription: "64 KiB", features: ["^metadata_csum"], names: 9000, blockSize: 65536),
  ]

  @Test(.timeLimit(.minutes(5)), arguments: kinds)
  func randomDamage(_ kind: Kind) throws {
    try withDamageableDirectory(kind) { fixture, directory, file in
      let damage = try BlockDamage(fixture, directory)
      var random = SeededGenerator(seed: 11)
      for round in 0..<(kind.names > 5000 ? 150 : 500) {
        try damage.inflict(round % 4, &random)
        try exercise(fixture, directory, file, kind, &random)
        try damage.repair()
      }
      #expect(try fixture.lookup(kind.name(0), in: directory)?.inode == file.number)
    }
  }

  /// With checksums every change that was not signed is noticed.
  @Test func checksumsNotice() throws {
    let kind = Kind(testDescription: "", features: ["metadata_csum"], names: 2000)
    try withDamageableDirectory(kind) { fixture, directory, file in
      let blocks = try fixture.blockCount(of: directory)
      for number in 0..<UInt32(blocks) {
        try fixture.locked { () throws(Ext4Error) in
          guard let buffer = try directory.directoryBuffer(number) else { return }
          buffer.data.storeBytes(
            of: buffer.data.load(fromByteOffset: 40, as: UInt8.self) ^ 1, toByteOffset: 40,
            as: UInt8.self)
          buffer.verifiedAs = nil
        }
        var codes: Set<Int32> = []
        for name in 0..<kind.names {
          do throws(Ext4Error) {
            _ = try fixture.lookup(kind.name(name), in: directory)
          } catch {
            codes.insert(error.errno.rawValue)
          }
        }
        #expect(codes == [117])
        try fixture.locked { () throws(Ext4Error) in
          guard let buffer = try directory.directoryBuffer(number) else { return }
          buffer.data.storeBytes(
            of: buffer.data.load(fromByteOffset: 40, as: UInt8.self) ^ 1, toByteOffset: 40,
            as: UInt8.self)
        }
      }
    }
  }

  /// An index that makes no sense does not hide the names.
  @Test func damagedIndexFallsBackToAScan() throws {
    let kind = Kind(testDescription: "", features: ["^metadata_csum"], names: 2000)
    // The hash version, the depth and the limit in the root.
    for offset in [28, 30, 32] {
      try withDamageableDirectory(kind) { fixture, directory, file in
        try fixture.locked { () throws(Ext4Error) in
          guard let buffer = try directory.directoryBuffer(0) else { return }
          buffer.data.storeBytes(of: 77, toByteOffset: offset, as: UInt8.self)
        }
        for name in 0..<kind.names {
          try #require(
            try fixture.lookup(kind.name(name), in: directory)?.inode == file.number)
        }
        #expect(try fixture.names(in: directory).count == kind.names)
        try fixture.insert("another", file, in: directory)
        #expect(!directory.flags.contains(.indexed))
        #expect(try fixture.names(in: directory).count == kind.names + 1)
      }
    }
  }

  /// A directory with the names of `kind`, in a file system that is thrown away.
  private func withDamageableDirectory(
    _ kind: Kind, _ body: (DirectoryFixture, Inode, Inode) throws -> Void
  ) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "256M", features: kind.features,
        blockSize: kind.blockSize)
      try DirectoryFixture.open(image) { fixture in
        defer { fixture.volume.discard() }
        let directory = try fixture.make(.directory, "directory")
        let file = try fixture.make(.regularFile, "file")
        for number in 0..<kind.names {
          try fixture.insert(kind.name(number), file, in: directory)
        }
        try body(fixture, directory, file)
      }
    }
  }

  private func exercise(
    _ fixture: DirectoryFixture, _ directory: Inode, _ file: Inode, _ kind: Kind,
    _ random: inout SeededGenerator
  ) throws {
    func attempt(_ body: () throws(Ext4Error) -> Void) throws {
      do throws(Ext4Error) {
        try body()
      } catch {
        let expected: Set<Int32> = [2, 5, 28, 117]
        try #require(expected.contains(error.errno.rawValue), "\(error)")
      }
    }
    for _ in 0..<20 {
      let name = kind.name(random.number(0..<kind.names))
      let new = "new \(random.next())" + String(repeating: "x", count: random.number(0..<200))
      try attempt { () throws(Ext4Error) in _ = try fixture.lookup(name, in: directory) }
      try attempt { () throws(Ext4Error) in try fixture.insert(new, file, in: directory) }
      try attempt { () throws(Ext4Error) in try fixture.replace(name, file, in: directory) }
      try attempt { () throws(Ext4Error) in try fixture.remove(name, from: directory) }
    }
    try attempt { () throws(Ext4Error) in _ = try fixture.lookup("..", in: directory) }
    try attempt { () throws(Ext4Error) in try fixture.replace("..", file, in: directory) }
    try attempt { () throws(Ext4Error) in _ = try fixture.isEmpty(directory) }
    var cookie: UInt64 = 0
    var isAtEnd = false
    while !isAtEnd {
      let before = cookie
      var found = 0
      try attempt { () throws(Ext4Error) in
        found = try fixture.list(directory, from: &cookie, limit: 1000).count
      }
      isAtEnd = found == 0
      try #require(isAtEnd || cookie > before)
    }
  }
}

/// A directory's blocks and inode as they were, to damage and repair them.
private struct BlockDamage {
  private let fixture: DirectoryFixture
  private let directory: Inode
  private let inode: [UInt8]
  private let blocks: [[UInt8]]

  init(_ fixture: DirectoryFixture, _ directory: Inode) throws {
    self.fixture = fixture
    self.directory = directory
    inode = Array(
      UnsafeRawBufferPointer(start: directory.raw, count: fixture.volume.inodeSize))
    let size = fixture.volume.blockSize
    blocks = try fixture.locked { () throws(Ext4Error) in
      var blocks: [[UInt8]] = []
      for number in 0..<(try directory.directoryBlockCount()) {
        guard let buffer = try directory.directoryBuffer(number) else { continue }
        blocks.append(Array(UnsafeRawBufferPointer(start: buffer.data, count: size)))
      }
      return blocks
    }
  }

  /// Changes some blocks: single bytes, whole words at places where lengths and counts are, or one block
  /// into a copy of another, or the inode's size, block count and block map.
  func inflict(_ kind: Int, _ random: inout SeededGenerator) throws {
    let size = fixture.volume.blockSize
    for _ in 0..<random.number(1..<20) {
      // The first blocks are the root and inner nodes: worth more than one try in a thousand.
      let number = random.oneIn(2) ? 0 : random.number(0..<blocks.count)
      let other = random.number(0..<blocks.count)
      let offset = random.oneIn(2) ? random.number(0..<64) : random.number(0..<size)
      let value = random.next()
      guard kind < 3 else {
        damageInode(at: offset, UInt8(truncatingIfNeeded: value))
        continue
      }
      try fixture.locked { () throws(Ext4Error) in
        guard let buffer = try directory.directoryBuffer(UInt32(number)) else { return }
        switch kind {
        case 0:
          buffer.data.storeBytes(
            of: UInt8(truncatingIfNeeded: value), toByteOffset: offset, as: UInt8.self)
        case 1:
          let small = UInt32(truncatingIfNeeded: value) % UInt32(blocks.count + 2)
          buffer.data.storeBytes(of: small, toByteOffset: offset & ~3, as: UInt32.self)
        default:
          blocks[other].withUnsafeBytes {
            buffer.data.copyMemory(from: $0.baseAddress!, byteCount: size)
          }
        }
      }
    }
  }

  private func damageInode(at place: Int, _ value: UInt8) {
    let sizeAndBlockCount = [4, 5, 6, 28, 29, 30]
    let blockMap = 40..<100
    let fields = sizeAndBlockCount + blockMap
    UnsafeMutableRawPointer(directory.raw).storeBytes(
      of: value, toByteOffset: fields[place % fields.count], as: UInt8.self)
    directory.mappings.removeAll()
  }

  /// Puts everything back. Blocks that were added meanwhile are leaked.
  func repair() throws {
    try fixture.locked { () throws(Ext4Error) in
      directory.directoryHints = DirectoryHints()
      inode.withUnsafeBytes {
        UnsafeMutableRawPointer(directory.raw).copyMemory(
          from: $0.baseAddress!, byteCount: $0.count)
      }
      try directory.store()
      directory.mappings.removeAll()
      for (number, block) in blocks.enumerated() {
        guard let buffer = try directory.directoryBuffer(UInt32(number)) else { continue }
        block.withUnsafeBytes {
          buffer.data.copyMemory(from: $0.baseAddress!, byteCount: $0.count)
        }
      }
    }
  }
}
