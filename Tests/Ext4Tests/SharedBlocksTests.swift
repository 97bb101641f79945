import Foundation
import Glibc
import Journal
import TestSupport
import Testing

import struct SystemPackage.Errno
import struct SystemPackage.FileDescriptor

@testable import Ext4

/// A file may free only blocks that are taken, and not the file system's own.
@Suite struct SharedBlocksTests {
  /// Files a, b and c, of which b has the blocks of a. The blocks that b had of its own belong to no file.
  private static func image(in scratch: Scratch, features: [String]) throws -> Image {
    let tree = try scratch.directory("tree")
    for name in ["a", "b", "c"] {
      try Data(repeating: 7, count: 200_000).write(
        to: URL(filePath: tree.appending(name).string))
    }
    let image = try Image(
      at: scratch.appending("image"), size: "16M", features: features, tree: tree)
    try DirectoryFixture.open(image) { fixture in
      let a = try fixture.open("a")
      let b = try fixture.open("b")
      try fixture.locked { () throws(Ext4Error) in
        // The map: i_block.
        memcpy(UnsafeMutableRawPointer(b.raw) + 40, UnsafeRawPointer(a.raw) + 40, 60)
        try b.store()
      }
      try fixture.volume.close()
    }
    return image
  }

  /// Two files share blocks, and both are deleted: at once, or with a commit between.
  @Test(
    arguments: [
      [], ["^has_journal"], ["^extents", "^64bit"], ["^extents", "^64bit", "^has_journal"],
    ],
    [false, true])
  func areFreedOnce(features: [String], commitsBetween: Bool) throws {
    try Scratch.with { scratch in
      let image = try Self.image(in: scratch, features: features)
      try DirectoryFixture.open(image) { fixture in
        let root = try fixture.root
        let before = fixture.volume.statistics().freeBlocks
        try Self.delete("a", in: root, fixture)
        let once = fixture.volume.statistics().freeBlocks
        #expect(once > before)
        #expect(fixture.volume.takeDamage().isEmpty)
        if commitsBetween { try fixture.volume.synchronize() }
        try Self.delete("b", in: root, fixture)
        #expect(fixture.volume.statistics().freeBlocks == once)
        let damage = fixture.volume.takeDamage()
        #expect(damage.contains { "\($0)".contains("free already") }, "\(damage)")
        // The file of its own is there, and goes as ever.
        try Self.delete("c", in: root, fixture)
        #expect(fixture.volume.statistics().freeBlocks > once)
        try fixture.volume.close()
      }
      #expect(try image.superblock("Filesystem state").contains("errors"))
      #expect(try image.superblock("FS Error count") != "0")
      #expect(try image.superblock("First error function") == "fuse4fs")
      #expect(try image.superblock("Last error err") == "EFSCORRUPTED")
      #expect(try image.superblock("Last error inode #") != "0")
      // The blocks that b had of its own belong to no file: that, and nothing else, is what e2fsck finds.
      let result = try Command(["e2fsck", "-fn", image.path.string]).run()
      let found = result.lines.filter { $0.hasSuffix("? no") || $0.contains("rror") }
      #expect(
        found.allSatisfy { line in
          ["Fix? no", "Clear? no"].contains(line) || line.contains("Block bitmap differences")
            || line.contains("ree blocks count") || line.contains("WARNING")
        }, "\(result.output)")
    }
  }

  @Test func errorsEndWritingWhereTheyAreTo() throws {
    try Scratch.with { scratch in
      let image = try Self.image(in: scratch, features: [])
      try Command(["tune2fs", "-e", "remount-ro", image.path.string]).succeed()
      try DirectoryFixture.open(image) { fixture in
        let root = try fixture.root
        try Self.delete("a", in: root, fixture)
        #expect(fixture.volume.isWritable)
        try? Self.delete("b", in: root, fixture)
        #expect(!fixture.volume.isWritable)
        #expect(throws: Ext4Error.self) { try fixture.make(.directory, "no more") }
        try? fixture.volume.close()
      }
      #expect(try image.superblock("Filesystem state").contains("errors"))
      #expect(try image.superblock("Last error err") == "EFSCORRUPTED")
    }
  }

  /// A file whose blocks are the file system's own.
  @Test(arguments: ["inode table", "block bitmap", "superblock", "journal"])
  func metadataIsNotFreed(of kind: String) throws {
    try Scratch.with { scratch in
      let image = try Self.image(in: scratch, features: ["extent"])
      try DirectoryFixture.open(image) { fixture in
        let volume = fixture.volume
        let own =
          switch kind {
          case "inode table": volume.descriptors.inodeTable(of: 0)
          case "block bitmap": volume.descriptors.blockBitmap(of: 0)
          // The descriptors behind it: no block can be number 0.
          case "superblock": BlockNumber(1)
          default: try #require(volume.journal?.area.runs.first).first
          }
        let c = try fixture.open("c")
        try fixture.locked { () throws(Ext4Error) in
          // The first extent's first block: i_block, behind the header, ee_start_lo.
          let place = UnsafeMutableRawPointer(c.raw) + 40 + 12 + 8
          place.storeBytes(of: UInt32(own.rawValue), as: UInt32.self)
          try c.store()
        }
        let before = volume.statistics().freeBlocks
        let root = try fixture.root
        try fixture.unlink("c", in: root)
        try volume.forget(c.number, count: 1)
        let damage = volume.takeDamage()
        #expect(damage.contains { "\($0)".contains("free already") }, "\(damage)")
        // A run may reach beyond what is the file system's own: none of that was c's either.
        #expect(volume.statistics().freeBlocks <= before + 49)
        let free = volume.metadata.withLock {
          volume.bitmaps.firstFree(in: own.rawValue..<own.rawValue + 1)
        }
        #expect(free == nil)
        try volume.close()
      }
      #expect(try image.superblock("Filesystem state").contains("errors"))
    }
  }

  /// A bitmap that shows the file system's own blocks as free is not used.
  @Test func metadataIsNotTaken() throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "16M", features: ["^metadata_csum", "^has_journal"])
      try DirectoryFixture.open(image) { fixture in
        let volume = fixture.volume
        let bitmap = volume.descriptors.blockBitmap(of: 0)
        var bits = [UInt8](repeating: 0, count: 4096)
        bits.replaceSubrange(2048..<4096, with: repeatElement(0xFF, count: 2048))
        try bits.withUnsafeBytes {
          try volume.device.write($0, at: bitmap.rawValue * 4096)
        }
        volume.metadata.withLock { volume.cache.forget(bitmap, count: 1) }
        do {
          try fixture.make(.directory, "directory")
          Issue.record("a block of the file system's own may have been taken")
        } catch {
          #expect((error as? Ext4Error)?.errno == .corrupted)
        }
        volume.metadata.withLock { volume.discard() }
      }
    }
  }

  @Test func inodesAreFreedOnce() throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("image"), size: "16M")
      try DirectoryFixture.open(image) { fixture in
        let volume = fixture.volume
        let file = try fixture.make(.regularFile, "file")
        try fixture.unlink("file", in: try fixture.root)
        try volume.forget(file.number, count: 1)
        let once = volume.statistics().freeInodes
        #expect(volume.takeDamage().isEmpty)
        try fixture.locked { () throws(Ext4Error) in try volume.deallocateInode(file) }
        #expect(volume.statistics().freeInodes == once)
        #expect(volume.takeDamage().contains { "\($0)".contains("free already") })
        try volume.close()
      }
      #expect(try image.superblock("Free inodes") == (try Self.freeInodes(of: image)))
    }
  }

  private static func freeInodes(of image: Image) throws -> String {
    let groups = try Command(["dumpe2fs", image.path.string]).succeed().output
    let counts = groups.matches(of: /(\d+) free inodes/).compactMap { Int($0.output.1) }
    return String(counts.reduce(0, +))
  }

  /// An inode that is in use, and free in the bitmap, does not become another file's.
  @Test func inodesInUseAreNotTaken() throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("image"), size: "16M")
      try DirectoryFixture.open(image) { fixture in
        let volume = fixture.volume
        let file = try fixture.make(.regularFile, "file")
        volume.metadata.withLock { volume.bitmaps.markFree(file.number) }
        let other = try fixture.make(.regularFile, "other")
        #expect(other.number != file.number)
        #expect(volume.takeDamage().contains { "\($0)".contains("in use") })
        try volume.close()
      }
    }
  }

  private static func delete(
    _ name: String, in root: Inode, _ fixture: DirectoryFixture
  ) throws {
    let inode = try fixture.open(name)
    try fixture.unlink(name, in: root)
    try fixture.volume.forget(inode.number, count: 1)
  }
}
