import Foundation
import Glibc
import IomapCache
import TestSupport
import Testing

@testable import Ext4

/// Blocks taken ahead of a growing file, given back in two steps.
@Suite struct SpeculativePreallocationTests {
  /// A file of three blocks, the first of which is a hole, with blocks ahead, closed. The kernel moves its data.
  private static func withGrownFile(_ body: (Inode) throws -> Void) throws {
    try DirectoryFixture.with { fixture in
      fixture.volume.letKernelMoveData()
      let inode = try fixture.make(.regularFile, "growing")
      inode.noteOpen()
      try inode.withMapping(at: FileOffset(4096), count: 8192, for: .write) { window in
        #expect(window.first.end > FileOffset(3 * 4096))
      }
      _ = try inode.complete(
        CompletedWrite(
          position: FileOffset(4096), count: 8192, convertsUnwritten: true, extends: true))
      #expect(inode.noteClose())
      try body(inode)
    }
  }

  private static func expect(_ kind: Mapping.Kind, at block: UInt64, of inode: Inode) throws {
    let found = try inode.withMapping(at: FileOffset(block * 4096), count: 1, for: .inspect) {
      $0.first.kind
    }
    #expect(found == kind)
  }

  private static func expectKept(_ inode: Inode) throws {
    let isFreed = try inode.finishTrim()
    #expect(!isFreed)
    try expect(.unwritten, at: 3, of: inode)
  }

  @Test func areFreedInTwoSteps() throws {
    try Self.withGrownFile { inode in
      try Self.expect(.unwritten, at: 3, of: inode)
      #expect(inode.announceTrim() == FileOffset(3 * 4096))
      let isFreed = try inode.finishTrim()
      #expect(isFreed)
      try Self.expect(.mapped, at: 2, of: inode)
      try Self.expect(.hole, at: 3, of: inode)
      #expect(inode.announceTrim() == nil)
    }
  }

  /// What is freed the kernel must have forgotten, and not been told of since.
  @Test(arguments: [MappingPurpose.inspect, .write])
  func stayWhereTheKernelAsksBetween(purpose: MappingPurpose) throws {
    try Self.withGrownFile { inode in
      #expect(inode.announceTrim() != nil)
      try inode.withMapping(at: FileOffset(0), count: 4096, for: purpose) { _ in }
      try Self.expectKept(inode)
    }
  }

  @Test func stayWhereTheFileIsOpenedBetween() throws {
    try Self.withGrownFile { inode in
      #expect(inode.announceTrim() != nil)
      inode.noteOpen()
      try Self.expectKept(inode)
    }
  }

  /// The announcement comes while the question waits for the file's lock: the kernel forgets, and is told only then. To look
  /// takes the lock shared; to fill the hole, it takes it once more, alone.
  @Test(arguments: [MappingPurpose.inspect, .write])
  func stayWhereTheQuestionWaits(purpose: MappingPurpose) throws {
    try Self.withGrownFile { inode in
      let answered = DispatchSemaphore(value: 0)
      let announce = {
        Thread.detachNewThread {
          _ = try? inode.withMapping(at: FileOffset(0), count: 4096, for: purpose) { _ in }
          answered.signal()
        }
        // Time for the thread to come as far as the lock. With less, the test finds nothing.
        usleep(50_000)
        inode.isTrimAnnounced.store(true, ordering: .releasing)
      }
      if purpose == .write {
        try inode.io.withReadLock(announce)
      } else {
        inode.io.waitForWriteLock(announce)
      }
      answered.wait()
      try Self.expectKept(inode)
    }
  }
}
