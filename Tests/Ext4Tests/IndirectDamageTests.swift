import Foundation
import Glibc
import Journal
import Synchronization
import TestSupport
import Testing

import struct SystemPackage.Errno

@testable import Ext4

/// Block maps of ext2 and ext3 that a hostile image has: arrays of pointers that lead to themselves or are used more than once.
@Suite struct IndirectDamageTests {
  /// The arrays of pointers under the last pointer of the inode: three levels.
  enum Map: String, CaseIterable, CustomTestStringConvertible {
    /// One array, which is all of them.
    case leadsToItself
    /// The lowest array leads to the highest.
    case leadsBack
    /// On each level one array, to which all pointers of the one above lead.
    case isShared
    /// The same, and the lowest array is empty.
    case isSharedAndEmpty
    /// All pointers of the lowest array lead to one block.
    case sharesData

    var testDescription: String { rawValue }
  }

  /// A file with such a map on a file system of 32 MiB, as large as its map.
  private func withFile(_ map: Map, _ body: (DirectoryFixture, Inode) throws -> Void) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "32M", type: "ext2", blockSize: 4096)
      try DirectoryFixture.open(image) { fixture in
        defer { fixture.volume.discard() }
        let volume = fixture.volume
        let inode = try fixture.make(.regularFile, "file")
        try fixture.locked { () throws(Ext4Error) in
          var blocks: [BlockCache.Buffer] = []
          for _ in 0..<4 {
            let block = try volume.allocateMetadataBlock(for: inode)
            blocks.append(try volume.newBlock(block, of: inode.number))
          }
          func fill(_ buffer: BlockCache.Buffer, _ block: (Int) -> BlockNumber) {
            for slot in 0..<1024 {
              buffer.data.storeBytes(
                of: UInt32(block(slot).rawValue), toByteOffset: 4 * slot, as: UInt32.self)
            }
            volume.cache.markDirty(buffer)
          }
          switch map {
          case .leadsToItself: fill(blocks[0]) { _ in blocks[0].block }
          case .leadsBack:
            for level in 0..<3 { fill(blocks[level]) { _ in blocks[(level + 1) % 3].block } }
          case .isShared, .isSharedAndEmpty, .sharesData:
            for level in 0..<2 { fill(blocks[level]) { _ in blocks[level + 1].block } }
            if map == .isShared { fill(blocks[2]) { BlockNumber(UInt64(4000 + 2 * ($0 % 1000))) } }
            if map == .sharesData { fill(blocks[2]) { _ in blocks[3].block } }
          }
          (UnsafeMutableRawPointer(inode.raw) + 40).storeBytes(
            of: UInt32(blocks[0].block.rawValue), toByteOffset: 4 * 14, as: UInt32.self)
          inode.size = volume.maximumFileSize(of: inode)
          try inode.store()
        }
        inode.mappings.removeAll()
        try body(fixture, inode)
      }
    }
  }

  private static let first: UInt64 = (12 + 1024 + 1024 * 1024) * 4096

  @Test(.timeLimit(.minutes(1)), arguments: Map.allCases)
  func seekingEnds(_ map: Map) throws {
    try withFile(map) { _, inode in
      for toData in [true, false] {
        let start = Monotonic.milliseconds
        // A file without a hole but at its end, or without data.
        let result = Result { () throws(Ext4Error) in
          try inode.seek(from: Self.first, toData: toData)
        }
        let taken = Monotonic.milliseconds - start
        #expect(
          taken < (map == .isSharedAndEmpty ? 10_000 : 1000), "\(toData), \(taken) ms: \(result)")
        if map != .isSharedAndEmpty, !toData {
          #expect(throws: Ext4Error.self) { try result.get() }
        }
      }
    }
  }

  @Test(.timeLimit(.minutes(1)), arguments: Map.allCases)
  func removalEnds(_ map: Map) throws {
    for shrinks in [true, false] {
      try withFile(map) { fixture, inode in
        let memory = residentKilobytes
        let probe = LatencyProbe(of: fixture.volume)
        let start = Monotonic.milliseconds
        let result = Result { () throws(Ext4Error) in
          if shrinks {
            try inode.resize(to: 0)
          } else {
            try inode.change(.punchHole, at: Self.first, length: 1 << 41, options: [])
          }
        }
        let taken = Monotonic.milliseconds - start
        let longest = probe.stop()
        #expect(taken < 1000, "\(taken) ms: \(result)")
        #expect(longest < 200, "another waited \(longest) ms")
        #expect(residentKilobytes - memory < 100 << 10)
        if map != .isSharedAndEmpty { #expect(throws: Ext4Error.self) { try result.get() } }
      }
    }
  }

  private var residentKilobytes: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss
  }
}

/// Asks for a file's status again and again on a thread of its own.
final class LatencyProbe: Sendable {
  private let isDone = Atomic<Bool>(false)
  private let longest = Atomic<Int>(0)
  private let ended = DispatchSemaphore(value: 0)

  init(of volume: Volume) {
    Thread.detachNewThread { [self] in
      while !isDone.load(ordering: .acquiring) {
        let start = Monotonic.milliseconds
        _ = try? volume.node(.root).status()
        longest.max(Monotonic.milliseconds - start, ordering: .relaxed)
        usleep(1000)
      }
      ended.signal()
    }
  }

  /// Returns how long it had to wait at most, in milliseconds.
  func stop() -> Int {
    isDone.store(true, ordering: .releasing)
    ended.wait()
    return longest.load(ordering: .relaxed)
  }
}
