import Testing

@testable import Ext4

/// Far more inodes than are kept in memory, all of which the kernel knows.
@Suite struct InodeTableTests {
  private let sizes = CacheSizes(total: CacheSizes.allowed.lowerBound)

  private func withFiles(
    _ count: Int, _ body: (DirectoryFixture, [InodeNumber]) throws -> Void
  ) throws {
    try DirectoryFixture.with(cacheSizes: sizes) { fixture in
      let numbers = try (0..<count).map { try fixture.make(.regularFile, "file\($0)").number }
      try body(fixture, numbers)
    }
  }

  @Test func memoryIsBounded() throws {
    try withFiles(3000) { fixture, numbers in
      #expect(fixture.volume.inodes.all.count <= sizes.inodes)
      for number in numbers { _ = try fixture.volume.node(number) }
      #expect(fixture.volume.inodes.all.count <= sizes.inodes)
    }
  }

  /// Also where nothing is committed meanwhile, which is when blocks were dropped before.
  @Test func blocksAreBoundedToo() throws {
    try withFiles(3000) { fixture, numbers in
      let volume = fixture.volume
      try volume.synchronize()
      try volume.checkpoint()
      for (index, number) in numbers.enumerated() {
        #expect(try fixture.open("file\(index)").number == number)
        let bytes = volume.metadata.withLock { volume.cache.byteCount }
        #expect(bytes <= sizes.blocks + sizes.blocks / 4)
      }
    }
  }

  @Test func referencesAreCountedAllTheSame() throws {
    try withFiles(1000) { fixture, numbers in
      let volume = fixture.volume
      for (index, number) in numbers.enumerated() where index % 2 == 0 {
        #expect(try fixture.open("file\(index)").number == number)
      }
      for (index, number) in numbers.enumerated() {
        let inode = try volume.node(number)
        #expect(volume.inodes.lookupCount(of: inode) == (index % 2 == 0 ? 2 : 1))
      }
      // Those that are in memory are returned when the last reference goes; of the others nothing is left.
      for number in numbers { try volume.forget(number, count: 1) }
      for (index, number) in numbers.enumerated() where index % 2 == 0 {
        try volume.forget(number, count: 1)
      }
      for number in numbers {
        #expect(volume.inodes.lookupCount(of: try volume.node(number)) == 0)
      }
    }
  }

  /// One that is removed while it is used, and one whose time of writing is not on disk yet, stay.
  @Test func whatDiffersFromTheDiskStays() throws {
    try DirectoryFixture.with(cacheSizes: sizes) { fixture in
      let volume = fixture.volume
      let removed = try fixture.make(.regularFile, "removed").number
      try fixture.unlink("removed", in: fixture.root)
      let written = try fixture.make(.regularFile, "written").number
      _ = try [UInt8(1)].withUnsafeBytes {
        try volume.node(written).write($0, at: 0, options: [])
      }
      for index in 0..<1000 { try fixture.make(.regularFile, "file\(index)") }
      #expect(volume.inodes[removed]?.hasNoName == true)
      #expect(volume.inodes[written] != nil)
      #expect(try fixture.lookup("removed", in: fixture.root) == nil)
      try volume.forget(removed, count: 1)
      #expect(!volume.hasOrphans)
    }
  }

  /// An inode that is in use stays in the table: later lookups get the same object.
  @Test func whatIsInUseStays() throws {
    try DirectoryFixture.with(cacheSizes: sizes) { fixture in
      let used = try fixture.make(.regularFile, "used")
      for index in 0..<1000 { try fixture.make(.regularFile, "file\(index)") }
      #expect(try fixture.volume.node(used.number) === used)
    }
  }

  /// The kernel has the attributes of an inode that was not in memory for a while, and must learn when they change.
  @Test func theKernelLearnsOfNewBlocks() throws {
    try withFiles(1000) { fixture, numbers in
      let number = try #require(numbers.first { fixture.volume.inodes[$0] == nil })
      let inode = try fixture.volume.node(number)
      _ = try [UInt8](repeating: 1, count: 4096).withUnsafeBytes {
        try inode.write($0, at: 0, options: .writeback)
      }
      #expect(inode.mustTellOfBlocks())
    }
  }
}
