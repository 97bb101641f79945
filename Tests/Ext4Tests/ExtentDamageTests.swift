import Glibc
import Journal
import TestSupport
import Testing

import struct SystemPackage.Errno

@testable import Ext4

/// Extent trees that a hostile or decaying image has: every call ends soon, with an answer or with EUCLEAN.
@Suite struct ExtentDamageTests {
  /// What is wrong with a tree of one index (in the inode) and its leaves.
  enum Damage: String, CaseIterable, CustomTestStringConvertible {
    case indexBeginsAtTheEnd, indexesOutOfOrder, indexesAlike, indexLeadsOutside, indexLeadsToInode
    case indexLeadsToTheNextLeaf, leafBeginsAtTheEnd, leafBeginsBeforeItsIndex,
      leafReachesIntoTheNext
    case extentsOverlap, extentsOutOfOrder, extentIsEmpty, extentLeadsOutside, extentEndsOutside
    case leafHasAnotherDepth, leafIsEmpty, leafHasTooManyEntries, rootIsDeep, rootHasTooManyEntries

    var testDescription: String { rawValue }

    /// Bytes of nodes: the header's count at 2, its room at 4, its depth at 6; entries from 12 on, 12 each.
    func inflict(root: UnsafeMutableRawPointer, leaves: [UnsafeMutableRawPointer]) {
      func entry(_ index: Int) -> Int { 12 + 12 * index }
      func set<T: FixedWidthInteger>(_ node: UnsafeMutableRawPointer, _ offset: Int, _ value: T) {
        node.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
      }
      func word(_ node: UnsafeMutableRawPointer, _ offset: Int) -> UInt32 {
        node.load(fromByteOffset: offset, as: UInt32.self)
      }
      let leaf = leaves[0]
      switch self {
      case .indexBeginsAtTheEnd: set(root, entry(0), UInt32.max)
      case .indexesOutOfOrder: set(root, entry(1), UInt32(0))
      case .indexesAlike: set(root, entry(0), word(root, entry(1)))
      case .indexLeadsOutside: set(root, entry(0) + 4, UInt32.max)
      case .indexLeadsToInode: set(root, entry(0) + 4, UInt32(1))
      case .indexLeadsToTheNextLeaf: set(root, entry(0) + 4, word(root, entry(1) + 4))
      case .leafBeginsAtTheEnd: set(leaf, entry(0), UInt32.max)
      case .leafBeginsBeforeItsIndex: set(leaves[1], entry(0), UInt32(0))
      case .leafReachesIntoTheNext:
        set(leaf, entry(Int(leaf.load(fromByteOffset: 2, as: UInt16.self)) - 1) + 4, UInt16(32768))
      case .extentsOverlap: set(leaf, entry(3), word(leaf, entry(2)))
      case .extentsOutOfOrder: set(leaf, entry(3), UInt32(0))
      case .extentIsEmpty: set(leaf, entry(2) + 4, UInt16(0))
      case .extentLeadsOutside: set(leaf, entry(2) + 6, UInt16.max)
      case .extentEndsOutside:
        set(leaf, entry(2) + 4, UInt16(2))
        set(leaf, entry(2) + 8, UInt32(65535))
      case .leafHasAnotherDepth: set(leaf, 6, UInt16(1))
      case .leafIsEmpty: set(leaf, 2, UInt16(0))
      case .leafHasTooManyEntries: set(leaf, 2, UInt16.max)
      case .rootIsDeep: set(root, 6, UInt16.max)
      case .rootHasTooManyEntries: set(root, 2, UInt16(5))
      }
    }
  }

  /// How a file is used from its first block to its last, and with what.
  enum Use: String, CaseIterable, CustomTestStringConvertible {
    case read, seekData, seekHole, write, append, truncate, empty, punch, punchAll, allocate, zero,
      collapse
    case insert, compact, load

    var testDescription: String { rawValue }

    func apply(to inode: Inode, blocks: Int) throws(Ext4Error) {
      let size = UInt64(inode.volume.blockSize)
      switch self {
      case .read:
        var bytes = [UInt8](repeating: 0, count: blocks * Int(size))
        let result = bytes.withUnsafeMutableBytes { bytes in
          Result { () throws(Ext4Error) in try inode.read(into: bytes, at: 0) }
        }
        _ = try result.get()
      case .seekData, .seekHole:
        var position: UInt64 = 0
        for _ in 0..<16 {
          position = try inode.seek(from: position, toData: self == .seekData) + size
        }
      case .write, .append:
        let bytes = [UInt8](repeating: 7, count: 3 * Int(size))
        for block in self == .append ? [blocks] : [0, blocks / 2, blocks - 3] {
          let result = bytes.withUnsafeBytes { bytes in
            Result { () throws(Ext4Error) in
              try inode.write(bytes, at: UInt64(block) * size, options: [])
            }
          }
          _ = try result.get()
        }
      case .truncate: try inode.resize(to: UInt64(blocks / 2) * size)
      case .empty: try inode.resize(to: 0)
      case .punch:
        for block in [0, blocks / 4, blocks / 2] {
          try inode.change(.punchHole, at: UInt64(block) * size, length: 5 * size, options: [])
        }
      case .punchAll:
        try inode.change(.punchHole, at: 0, length: UInt64(blocks) * size, options: [])
      case .allocate:
        try inode.change(
          .allocate(keepSize: false), at: 0, length: UInt64(blocks) * size, options: [])
      case .zero:
        try inode.change(
          .zeroRange(keepSize: false), at: 0, length: UInt64(blocks / 2) * size, options: [])
      case .collapse:
        try inode.change(.collapse, at: 8 * size, length: 16 * size, options: [])
      case .insert: try inode.change(.insert, at: 8 * size, length: 16 * size, options: [])
      case .compact:
        inode.extentTreeChanged.store(true, ordering: .relaxed)
        try inode.compactExtentTreeInOneStep()
      case .load: try inode.loadAllMappings()
      }
    }
  }

  @Test(.timeLimit(.minutes(5)), arguments: Damage.allCases)
  func damagedTree(_ damage: Damage) throws {
    try Self.withDamageableFile { file in
      for use in Use.allCases {
        file.inflict { root, leaves in damage.inflict(root: root, leaves: leaves) }
        try file.apply(use)
        file.repair()
      }
    }
  }

  @Test(.timeLimit(.minutes(5)), arguments: [1, 2, 3] as [UInt64])
  func randomDamage(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    try Self.withDamageableFile { file in
      for _ in 0..<300 {
        file.inflict { root, leaves in
          for _ in 0..<random.number(1..<4) {
            let (node, size) =
              random.oneIn(2) ? (root, 60) : (leaves[random.number(0..<leaves.count)], 1020)
            // Most of what matters is near the beginning.
            let offset = random.number(0..<(random.oneIn(2) ? 48 : size))
            let value = random.pick([
              0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF, UInt8(random.number(0..<256)),
            ])
            node.storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
          }
        }
        try file.apply(random.pick(Use.allCases))
        file.repair()
      }
    }
  }

  /// What cannot be reached by a damaged index must not be believed to be a hole that may be filled.
  @Test func damageIsNoticed() throws {
    try Self.withDamageableFile { file in
      for damage in Damage.allCases {
        file.inflict { root, leaves in damage.inflict(root: root, leaves: leaves) }
        #expect(throws: Ext4Error.self, "\(damage)") {
          try Use.read.apply(to: file.inode, blocks: file.blocks)
        }
        file.repair()
        try Use.read.apply(to: file.inode, blocks: file.blocks)
      }
    }
  }

  /// A file with an extent tree of one level below the inode, as it was before whatever happened to it.
  struct DamageableFile {
    let inode: Inode
    let blocks: Int
    private let image: UnsafeMutableRawPointer
    private let leaves: [(block: BlockNumber, contents: UnsafeMutableRawPointer)]
    private var volume: Volume { inode.volume }

    init(_ inode: Inode, blocks: Int) throws {
      self.inode = inode
      self.blocks = blocks
      image = .allocate(byteCount: inode.volume.inodeSize, alignment: 8)
      image.copyMemory(from: inode.raw, byteCount: inode.volume.inodeSize)
      leaves = try inode.volume.metadata.withLock { () throws(Ext4Error) in
        var leaves: [(BlockNumber, UnsafeMutableRawPointer)] = []
        for entry in inode.rootNode.entries {
          let buffer = try inode.volume.readBlock(entry.child, of: inode.number)
          let copy = UnsafeMutableRawPointer.allocate(
            byteCount: inode.volume.blockSize, alignment: 8)
          copy.copyMemory(from: buffer.data, byteCount: inode.volume.blockSize)
          leaves.append((entry.child, copy))
        }
        return leaves
      }
    }

    func inflict(_ body: (UnsafeMutableRawPointer, [UnsafeMutableRawPointer]) -> Void) {
      volume.metadata.withLock {
        body(UnsafeMutableRawPointer(inode.raw) + 40, buffers.map(\.data))
        for buffer in buffers { buffer.verifiedAs = nil }
      }
      inode.mappings.removeAll()
    }

    /// Nothing was written: what was changed is taken back in memory, and what has been freed stays free.
    func repair() {
      volume.metadata.withLock {
        UnsafeMutableRawPointer(inode.raw).copyMemory(from: image, byteCount: volume.inodeSize)
        inode.size = inode.size
        for (buffer, leaf) in zip(buffers, leaves) {
          buffer.data.copyMemory(from: leaf.contents, byteCount: volume.blockSize)
          buffer.verifiedAs = nil
        }
      }
      inode.mappings.removeAll()
    }

    private var buffers: [BlockCache.Buffer] {
      leaves.compactMap { try? volume.readBlock($0.block, of: inode.number) }
    }

    func apply(_ use: Use) throws {
      let start = Monotonic.milliseconds
      do throws(Ext4Error) {
        try use.apply(to: inode, blocks: blocks)
      } catch {
        // EUCLEAN; what a call may answer of a file that seems to be another; and what comes of counts that are wrong.
        let expected: [Int32] = [ENOSPC, EFBIG, EINVAL, ENXIO, Errno.corrupted.rawValue]
        try #require(expected.contains(error.errno.rawValue), "\(use): \(error)")
      }
      let taken = Monotonic.milliseconds - start
      #expect(taken < 1000, "\(use) took \(taken) ms")
    }
  }

  static func withDamageableFile(_ body: (DamageableFile) throws -> Void) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "64M", features: ["^metadata_csum", "^has_journal"],
        blockSize: 1024)
      try DirectoryFixture.open(image) { fixture in
        defer { fixture.volume.discard() }
        var random = SeededGenerator(seed: 5)
        let file = try ExtentTreeTests.fragmented("file", count: 150, in: fixture, using: &random)
        try #require(file.treeDepth == 1)
        try body(DamageableFile(file.inode, blocks: 300))
      }
    }
  }
}

enum Monotonic {
  static var milliseconds: Int {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1000 + now.tv_nsec / 1_000_000
  }
}
