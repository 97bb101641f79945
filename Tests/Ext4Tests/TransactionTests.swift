import Glibc
import Journal
import TestSupport
import Testing

import struct SystemPackage.Errno

@testable import Ext4

/// What goes into transactions, and how large they become.
@Suite struct TransactionTests {
  /// The bytes that are written between two points, by the block that they go to.
  private final class Writes: BlockDeviceObserver, @unchecked Sendable {
    private(set) var blocks: Set<UInt64> = []
    private let blockSize: UInt64
    init(blockSize: UInt64) { self.blockSize = blockSize }

    func didRead(_ count: Int, at offset: UInt64) {}
    func willWrite(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) {
      for block in offset / blockSize...(offset + UInt64(bytes.count) - 1) / blockSize {
        blocks.insert(block)
      }
    }
    func willFlush() {}
    func didFlush() {}

    func take() -> Set<UInt64> {
      defer { blocks = [] }
      return blocks
    }
  }

  private func with(
    _ image: Image, observer: (any BlockDeviceObserver)? = nil, _ body: (Volume) throws -> Void
  ) throws {
    let descriptor = try Syscall.open(image.path, O_RDWR)
    defer { Glibc.close(descriptor) }
    let volume = try Volume.open(
      BlockDevice(
        fileDescriptor: descriptor, byteOffset: 0,
        byteCount: Int64(lseek(descriptor, 0, SEEK_END)), isWritable: true, observer: observer),
      options: .init())
    _ = try volume.startWriting()
    try body(volume)
    try volume.close()
  }

  private func create(_ name: String, in volume: Volume) throws -> Inode {
    let root = try volume.node(.root)
    return try withName(name) { name throws(Ext4Error) in
      try volume.create(
        NewNode(.regularFile, permissions: 0o644, umask: 0, userID: 0, groupID: 0),
        named: name, in: root)
    }
  }

  /// A file of 20,000 pieces all over a file system whose journal has room for 250 blocks in a transaction.
  @Test func aFragmentedFileIsDeletedInSteps() throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("disk.img"), size: "160M", blockSize: 1024, options: ["-J", "size=1"])
      try with(image) { volume in
        let file = try create("file", in: volume)
        let byte: [UInt8] = [1]
        for piece in 0..<UInt64(20_000) {
          _ = try byte.withUnsafeBytes { try file.write($0, at: piece * 2048, options: []) }
        }
        try volume.commit()
        let before = try #require(volume.log).counts
        let root = try volume.node(.root)
        try withName("file") { name throws(Ext4Error) in try volume.unlink(name, in: root) }
        try volume.forget(file.number, count: 1)
        try volume.commit()
        let after = try #require(volume.log).counts
        #expect(after.transactions - before.transactions >= 2)
        let largest = try #require(volume.log).maximumTransactionBlocks
        #expect(
          after.blocks - before.blocks <= (after.transactions - before.transactions) * largest)
        #expect(!volume.hasOrphans)
      }
      try image.check()
    }
  }

  /// On a file system of 16 TiB less a block, a commit writes what has changed and nothing else.
  @Test func aCommitTouchesChangedGroupsOnly() throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("disk.img"), size: "4294967295",
        options: ["-E", "lazy_itable_init=1,lazy_journal_init=1", "-O", "^resize_inode"])
      let writes = Writes(blockSize: 4096)
      try with(image, observer: writes) { volume in
        try volume.commit()
        _ = writes.take()
        _ = try create("file", in: volume)
        try volume.commit()
        // The root's block and inode, the new inode, its bitmap, a descriptor, the superblock, the log's own two.
        let logged = writes.take()
        #expect(logged.count <= 10, "\(logged.count) blocks for one file")
        try volume.checkpoint()
        let home = writes.take()
        #expect(home.count <= 10, "\(home.count) blocks go home")
      }
    }
  }

  /// Nothing has changed: nothing is written, and nothing flushed.
  @Test func anEmptyCommitWritesNothing() throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("disk.img"))
      let writes = Writes(blockSize: 4096)
      try with(image, observer: writes) { volume in
        _ = try create("file", in: volume)
        try volume.synchronize()
        _ = writes.take()
        let number = try volume.commit()
        try volume.synchronize()
        #expect(try volume.commit() == number)
        #expect(writes.take().isEmpty)
      }
    }
  }

  /// More files are overwritten between two commits than there is room for in a transaction.
  @Test func timesOfManyFilesFitIntoTransactions() throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("disk.img"), size: "64M", blockSize: 1024,
        options: ["-J", "size=1", "-N", "20000", "-I", "1024"])
      try with(image) { volume in
        let byte: [UInt8] = [1]
        let files = try (0..<1500).map { try create("file\($0)", in: volume) }
        for file in files {
          _ = try byte.withUnsafeBytes { try file.write($0, at: 0, options: []) }
        }
        try volume.synchronize()
        for file in files {
          _ = try byte.withUnsafeBytes { try file.write($0, at: 0, options: []) }
        }
        let before = try #require(volume.log).counts
        try volume.synchronize()
        let after = try #require(volume.log).counts
        #expect(after.blocks - before.blocks >= 1500)
        #expect(after.transactions - before.transactions >= 6)
      }
      try image.check()
    }
  }

  /// What the log takes for an operation, where a thousand of them share a commit, and where each has its own.
  @Test(arguments: [1000, 1]) func theLogStaysSmall(operationsPerCommit: Int) throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("disk.img"), size: "256M")
      try with(image) { volume in
        let log = try #require(volume.log)
        let before = log.counts
        for number in 0..<1000 {
          _ = try create("file\(number)", in: volume)
          if (number + 1) % operationsPerCommit == 0 { try volume.commit() }
        }
        let bytes = (log.counts.logBytes - before.logBytes) / 1000
        print("\(operationsPerCommit) creates a commit: \(bytes) bytes of log each")
        // The directory, the inode, two bitmaps at most, a descriptor, the superblock, and the log's own two.
        #expect(bytes <= (operationsPerCommit == 1 ? 9 * 4096 : 1024))
      }
      try image.check()
    }
  }

  /// A clean end leaves an empty journal and no sign of it.
  @Test(arguments: ["ext3", "ext4"]) func aCleanEndLeavesAnEmptyJournal(type: String) throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("disk.img"), type: type)
      try with(image) { volume in
        _ = try create("file", in: volume)
        try volume.commit()
        #expect(try image.superblock("Filesystem features").contains("needs_recovery"))
      }
      #expect(try !image.superblock("Filesystem features").contains("needs_recovery"))
      #expect(try image.superblock("Filesystem state") == "clean")
      #expect(try image.superblock("Journal start") == "0")
      try image.check()
    }
  }
}
