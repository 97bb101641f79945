import Testing

@testable import Ext4

/// Lookups of "." in an inode itself, by which the kernel opens a handle of an inode that it does not have.
@Suite struct HandleLookupTests {
  @Test func findsWhatHasNames() throws {
    try DirectoryFixture.with { fixture in
      let file = try fixture.make(.regularFile, "file")
      #expect(try fixture.volume.lookup(.current, in: file) === file)
      #expect(fixture.volume.inodes.lookupCount(of: file) == 2)
    }
  }

  /// The kernel has dropped the inode, and asks before its FORGET is served.
  @Test func whatHasNoNamesIsStaleBeforeItIsForgotten() throws {
    try DirectoryFixture.with { fixture in
      let file = try fixture.make(.regularFile, "file")
      try fixture.unlink("file", in: fixture.root)
      let found = Result { try fixture.volume.lookup(.current, in: file) }
      guard case .failure(let error) = found,
        case .errno(.staleNFSFileHandle)? = error as? Ext4Error
      else {
        Issue.record("\(found)")
        return
      }
      try fixture.volume.forget(file.number, count: 1)
    }
  }

  /// An inode that was looked at while it was free is taken by the next file, and nothing is damaged.
  @Test func aFreeInodeThatWasLookedAtStaysFree() throws {
    try DirectoryFixture.with(size: "8M") { fixture in
      let volume = fixture.volume
      for number in 12...40 as ClosedRange<UInt32> {
        let free = try volume.node(InodeNumber(number))
        #expect(throws: Ext4Error.self) { try volume.lookup(.current, in: free) }
      }
      let file = try fixture.make(.regularFile, "file")
      #expect(file.number == InodeNumber(12))
      #expect(volume.isWritable)
    }
  }
}
