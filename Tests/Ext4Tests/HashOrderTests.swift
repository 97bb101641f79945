import Journal
import TestSupport
import Testing

@testable import Ext4

/// Indexes of directories whose hashes are not in order, with checksums that are right: they are not followed.
@Suite struct HashOrderTests {
  /// What is wrong with an index of two levels.
  enum Damage: String, CaseIterable, CustomTestStringConvertible {
    case rootOutOfOrder, nodeOutOfOrder
    /// A node has hashes that lie before, or behind, those that the root leaves it.
    case nodeBeginsBeforeItsRange, nodeEndsBehindItsRange
    /// Names lie before, or behind, the range of their node, of which the hashes in the index show nothing.
    case namesBeforeTheRange, namesBehindTheRange

    var testDescription: String { rawValue }

    /// Whether the hashes in the index show it, so that it is found by every search that comes there.
    var isSeenInTheIndex: Bool { self != .namesBeforeTheRange && self != .namesBehindTheRange }
  }

  private static let nameCount = 6000

  /// So long that there are many leaves.
  private static func name(_ number: Int) -> String {
    "the name \(number)" + String(repeating: "n", count: 60)
  }

  /// Moves a limit between two nodes; returns the hashes, all even, whose names do not belong where the index leads them now.
  private static func inflict(
    _ damage: Damage, on directory: Inode
  ) throws(Ext4Error) -> ClosedRange<UInt32> {
    guard let tree = try HashTree(of: directory), tree.depth == 2, tree.root.count > 2 else {
      throw .errno(.invalidArgument)
    }
    func node(_ index: Int) throws(Ext4Error) -> IndexNode {
      guard let buffer = try directory.directoryBuffer(tree.root.block(index)),
        let node = IndexNode(buffer, of: directory)
      else { throw .errno(.invalidArgument) }
      return node
    }
    func hashes(inLeaf block: UInt32) throws(Ext4Error) -> [UInt32] {
      var hashes: [UInt32] = []
      var records = try directory.leaf(block).region.records
      while let record = try records.next() {
        if record.isUsed { hashes.append(tree.hash(record.name).major) }
      }
      return hashes.sorted()
    }
    func set(_ index: Int, of node: IndexNode, to hash: UInt32) throws(Ext4Error) {
      node.buffer.data.storeBytes(
        of: hash.littleEndian, toByteOffset: node.headerLength + 8 * index, as: UInt32.self)
      try directory.didChange(.index(node.buffer))
    }
    let before = try node(0)
    let behind = try node(1)
    let limit = tree.root.hash(1) & ~1
    let result: ClosedRange<UInt32>
    switch damage {
    case .rootOutOfOrder:
      try set(1, of: tree.root, to: tree.root.hash(2) + 2)
      result = limit...tree.root.hash(2)
    case .nodeOutOfOrder:
      result = before.hash(2)...before.hash(3)
      try set(2, of: before, to: before.hash(3) + 2)
    case .nodeBeginsBeforeItsRange:
      result = limit...behind.hash(2)
      try set(1, of: tree.root, to: behind.hash(2))
    case .nodeEndsBehindItsRange:
      result = before.hash(before.count - 2)...limit
      try set(1, of: tree.root, to: before.hash(before.count - 2))
    case .namesBeforeTheRange:
      let names = try hashes(inLeaf: behind.block(0))
      result = names[0]...names[1] - 2
      try set(1, of: tree.root, to: names[1])
    case .namesBehindTheRange:
      let names = try hashes(inLeaf: before.block(before.count - 1))
      result = names[names.count - 2] + 2...names[names.count - 1]
      try set(1, of: tree.root, to: names[names.count - 2] + 2)
    }
    // As if they had just been read from the disk.
    for buffer in [tree.root.buffer, before.buffer, behind.buffer] { buffer.verifiedAs = nil }
    directory.directoryHints = DirectoryHints()
    return result
  }

  /// A name that is not there, with a hash in `range`.
  private static func newName(in range: ClosedRange<UInt32>, of directory: Inode) throws -> String {
    let settings = directory.volume.geometry.hash
    let hash = DirectoryHash(try #require(settings.version), settings)
    for number in 0..<10_000_000 {
      let name = "new \(number)"
      let found = Array(name.utf8).withUnsafeBytes { hash($0).major }
      if range.contains(found) { return name }
    }
    throw Failure("no name has a hash in \(range)")
  }

  private static func withDirectory(
    features: [String], _ body: (DirectoryFixture, Inode, Inode) throws -> Void
  ) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "64M", features: features, blockSize: 1024)
      try DirectoryFixture.open(image) { fixture in
        defer { fixture.volume.discard() }
        let directory = try fixture.make(.directory, "directory")
        let file = try fixture.make(.regularFile, "file")
        for number in 0..<nameCount { try fixture.insert(name(number), file, in: directory) }
        try body(fixture, directory, file)
      }
    }
  }

  /// No name goes where e2fsck says that it does not belong.
  @Test(arguments: Damage.allCases, [["metadata_csum"], ["^metadata_csum"]])
  func nothingIsAdded(_ damage: Damage, features: [String]) throws {
    try Self.withDirectory(features: features) { fixture, directory, file in
      let range = try fixture.locked { () throws(Ext4Error) in
        try Self.inflict(damage, on: directory)
      }
      let name = try Self.newName(in: range, of: directory)
      if features.contains("metadata_csum") {
        do throws(Ext4Error) {
          try fixture.insert(name, file, in: directory)
          Issue.record("\(name) was added")
        } catch {
          guard case .corrupted(directory.number, let what) = error else { throw error }
          #expect("\(what)" == "the directory index is damaged")
        }
      } else {
        // As in the kernel: from now on the directory has no index.
        try fixture.insert(name, file, in: directory)
        #expect(!directory.flags.contains(.indexed))
        #expect(try fixture.names(in: directory).count == Self.nameCount + 1)
        #expect(try fixture.lookup(name, in: directory)?.inode == file.number)
      }
    }
  }

  /// All names are found, one after the other, and listed.
  @Test(arguments: Damage.allCases.filter(\.isSeenInTheIndex))
  func nothingIsHidden(_ damage: Damage) throws {
    try Self.withDirectory(features: ["metadata_csum"]) { fixture, directory, file in
      _ = try fixture.locked { () throws(Ext4Error) in try Self.inflict(damage, on: directory) }
      for number in 0..<Self.nameCount {
        try #require(
          try fixture.lookup(Self.name(number), in: directory)?.inode == file.number,
          "\(number)")
      }
      #expect(try fixture.names(in: directory).count == Self.nameCount)
    }
  }

  /// A name that the index hides does not come into being a second time.
  @Test(arguments: [Damage.namesBeforeTheRange, .namesBehindTheRange])
  func noNameIsThereTwice(_ damage: Damage) throws {
    try Self.withDirectory(features: ["^metadata_csum"]) { fixture, directory, file in
      let range = try fixture.locked { () throws(Ext4Error) in
        try Self.inflict(damage, on: directory)
      }
      let settings = fixture.volume.geometry.hash
      let hash = DirectoryHash(try #require(settings.version), settings)
      let hidden = try #require(
        (0..<Self.nameCount).map(Self.name).first { name in
          range.contains(Array(name.utf8).withUnsafeBytes { hash($0).major })
        })
      #expect(try fixture.lookup(hidden, in: directory) == nil)
      #expect(throws: Ext4Error.self) { try fixture.insert(hidden, file, in: directory) }
      // It is found from now on.
      #expect(try fixture.lookup(hidden, in: directory)?.inode == file.number)
      #expect(try fixture.names(in: directory).count == Self.nameCount)
    }
  }
}
