import Glibc
import Journal
import Synchronization
import TestSupport
import Testing

import struct SystemPackage.Errno

@testable import Ext4

/// Bitmaps are read group by group, when blocks or inodes are looked for there.
@Suite struct LoadedBitmapTests {
  /// Writes `count` bytes from the beginning on, and returns what was in the way.
  private static func write(_ count: Int, to inode: Inode) -> Ext4Error? {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer { bytes.deallocate() }
    memset(bytes.baseAddress!, 0x5A, count)
    do throws(Ext4Error) {
      _ = try inode.write(UnsafeRawBufferPointer(bytes), at: 0, options: [])
      return nil
    } catch {
      return error
    }
  }

  /// Where a group's own metadata lies, which a bitmap that was never written does not say.
  @Test(arguments: [
    [], ["^flex_bg"], ["meta_bg", "^resize_inode"], ["^metadata_csum", "uninit_bg"],
    ["^metadata_csum", "^uninit_bg"], ["sparse_super2", "^has_journal"],
    ["^extents", "^64bit", "^flex_bg"],
  ])
  func aFileSystemIsFilledAndEmptied(features: [String]) throws {
    // Groups of 8 MiB.
    try DirectoryFixture.with(size: "100M", features: features, blockSize: 1024) { fixture in
      let volume = fixture.volume
      var files: [Inode] = []
      var full: Ext4Error?
      while full == nil, files.count < 1000 {
        let file = try fixture.make(.regularFile, "file\(files.count)")
        files.append(file)
        full = Self.write(1 << 20, to: file)
      }
      #expect(full?.errno == .noSpace)
      #expect(files.count > 70)
      try volume.synchronize()
      #expect(volume.statistics().freeBlocks < volume.blockCount / 25)
      for index in files.indices where index % 2 == 0 {
        try fixture.unlink("file\(index)", in: try fixture.root)
      }
    }
  }

  /// As many inodes as there are.
  @Test func allInodesAreTaken() throws {
    try DirectoryFixture.with(size: "32M", blockSize: 1024, options: ["-N", "2048"]) { fixture in
      var full: Ext4Error?
      for count in 0..<3000 where full == nil {
        do {
          try fixture.make(.fifo, "fifo\(count)")
        } catch {
          full = try #require(error as? Ext4Error)
        }
      }
      #expect(full?.errno == .noSpace)
      #expect(fixture.volume.statistics().freeInodes == 0)
    }
  }

  /// Of all groups only one is loaded, and what was taken there is given back: the bitmaps in memory have not a single bit then.
  @Test(arguments: [[], ["^flex_bg"]]) func nothingIsTakenWhereOneGroupIsLoaded(
    features: [String]
  ) throws {
    try DirectoryFixture.with(features: features, blockSize: 1024) { fixture in
      let volume = fixture.volume
      // One without a copy of the superblock.
      volume.nextTopLevelGroup = 2
      try fixture.make(.directory, "directory")
      try volume.synchronize()
      let root = try fixture.root
      try withName("directory") { name throws(Ext4Error) in
        try volume.removeDirectory(name, in: root)
      }
      let groups = 0..<volume.geometry.groupCount
      #expect(groups.filter { volume.loadedBitmaps.hasInodes(of: $0) } == [2])
    }
  }

  /// A step that waits for a block begins again: it looks for an inode in the same group, and not in the next one, of which nothing is in
  /// memory either.
  @Test func whatIsNotInMemoryIsLookedForOnce() throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("image"), size: "640M", blockSize: 1024)
      let counter = ColdDevice()
      try DirectoryFixture.open(image, observer: counter) { fixture in
        let before = counter.reads.load(ordering: .relaxed)
        for index in 0..<4 {
          let directory = try fixture.make(.directory, "directory\(index)")
          #expect(fixture.volume.geometry.group(of: directory.number) == UInt32(index))
        }
        #expect(counter.reads.load(ordering: .relaxed) - before <= 4 * 5)
        try fixture.volume.close()
      }
      try image.check()
    }
  }

  @Test func hugeFileSystemsCostWhatIsUsed() throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "4T",
        options: [
          "-E", "lazy_itable_init=1,lazy_journal_init=1,num_backup_sb=0", "-O", "sparse_super2",
        ])
      try DirectoryFixture.open(image) { fixture in
        let volume = fixture.volume
        let file = try fixture.make(.regularFile, "file")
        #expect(Self.write(4096, to: file) == nil)
        let groups = volume.geometry.groupCount
        #expect(groups > 30_000)
        let loaded = (0..<groups).count { volume.loadedBitmaps.hasBlocks(of: $0) }
        #expect(1...4 ~= loaded)
        try volume.close()
      }
      #expect(try image.debugfs("stat /file").contains("Size: 4096"))
    }
  }

  /// What a bitmap says that fails its checksum is not believed: nothing is taken there, and nothing is written any more.
  @Test func aDamagedBitmapEndsWriting() throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("image"), size: "64M")
      let bitmap = try #require(
        try Command(["dumpe2fs", image.path.string]).succeed().output
          .firstMatch(of: /Block bitmap at (\d+)/)?.output.1)
      let offset = try #require(UInt64(bitmap)) * 4096
      let descriptor = try Syscall.open(image.path, O_RDWR)
      let free = [UInt8](repeating: 0, count: 64)
      #expect(pwrite(descriptor, free, free.count, off_t(offset)) == free.count)
      close(descriptor)

      try DirectoryFixture.open(image) { fixture in
        let file = try fixture.make(.regularFile, "file")
        #expect(Self.write(4096, to: file)?.errno == .corrupted)
        fixture.volume.discardForTest()
      }
    }
  }
}

/// Nothing comes from the system's memory.
private final class ColdDevice: BlockDeviceObserver {
  let reads = Atomic<Int>(0)

  func isInMemory(_ count: Int, at offset: UInt64) -> Bool { false }
  func willRead(_ count: Int, at offset: UInt64) { reads.add(1, ordering: .relaxed) }
  func didRead(_ count: Int, at offset: UInt64) {}
  func willWrite(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) {}
  func willFlush() {}
  func didFlush() {}
}

extension Volume {
  fileprivate func discardForTest() { metadata.withLock { discard() } }
}
