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
}
