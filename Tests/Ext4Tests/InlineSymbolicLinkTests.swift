import SystemPackage
import TestSupport
import Testing

@testable import Ext4

/// Symbolic links whose target is in the inode and in its attributes, as the kernel and mke2fs(8) make them with inline_data. This daemon makes
/// none, and must not take the target for a block map.
@Suite struct InlineSymbolicLinkTests {
  @Test func removingOneFreesNoBlocks() throws {
    try Scratch.with { scratch in
      let tree = try scratch.directory("tree")
      let target = String(repeating: "t", count: 90)
      try Syscall.symlink(FilePath(target), tree.appending("link"))
      let image = try Image(
        at: scratch.appending("image"), size: "8M", features: ["inline_data"], tree: tree,
        options: ["-I", "256"])
      try DirectoryFixture.withOpen(image) { fixture in
        let link = try fixture.open("link")
        #expect(link.flags.contains(.inlineData))
        #expect(try link.linkTarget() == Array(target.utf8))
        try fixture.unlink("link", in: fixture.root)
        try fixture.volume.forget(link.number, count: 1)
      }
    }
  }
}
