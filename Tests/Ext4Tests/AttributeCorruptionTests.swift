import Glibc
import Journal
import TestSupport
import Testing

@testable import Ext4

/// Attributes that a hostile or decaying image has: every call ends, within its bounds.
@Suite struct AttributeCorruptionTests {
  static let names = ["user.a", "user.bb", "trusted.ccc", "security.capability", "user.large"]
  static let acls = ["system.posix_acl_access", "system.posix_acl_default"]

  /// Bytes of the body and of the block are changed in memory, behind all checksums.
  @Test(arguments: [[], ["ea_inode", "inline_data"]], [1, 2] as [UInt64])
  func changedBytes(features: [String], seed: UInt64) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "16M", features: features, blockSize: 1024,
        tree: try AttributeModelTests.makeTree(scratch, files: 1), options: ["-I", "256"])
      let number = try #require(try image.rootInodes()["f0"])
      var generator = SeededGenerator(seed: seed)
      var damaged = 0
      for _ in 0..<40 {
        // What is left of the image after each round is for e2fsck; the next one has its own.
        let copy = Image(existing: scratch.appending("copy"))
        try Command(["cp", "--sparse=always", image.path.string, copy.path.string]).succeed()
        try AttributeVolume.with(copy) { volume in
          let inode = try volume.inode(number)
          for (index, name) in Self.names.enumerated() {
            #expect(
              volume.set(name, of: inode, to: Array(repeating: 1, count: 20 + 9 * index)) == nil)
          }
          #expect(volume.set("user.large", of: inode, to: Array(repeating: 1, count: 300)) == nil)
          for _ in 0..<50 {
            try self.damage(inode, volume, using: &generator)
            for name in Self.names + Self.acls {
              let read = volume.errno { () throws(Ext4Error) in
                _ = try inode.attribute(named: name)
              }
              if read == .corrupted { damaged += 1 }
            }
            let size = generator.number(0..<400)
            _ = volume.errno { () throws(Ext4Error) in _ = try inode.attributeNames() }
            _ = volume.errno { () throws(Ext4Error) in _ = try inode.inlineData() }
            _ = volume.errno { () throws(Ext4Error) in try inode.adjustACL(forMode: 0o640) }
            _ = volume.errno { () throws(Ext4Error) in try inode.removeInlineDataAttribute() }
            _ = volume.set(
              generator.pick(Self.names), of: inode, to: Array(repeating: 2, count: size))
            _ = volume.remove(generator.pick(Self.names), of: inode)
            if generator.oneIn(10) {
              _ = volume.errno { () throws(Ext4Error) in try inode.releaseAttributes() }
            }
          }
        }
      }
      #expect(damaged > 0, "no damage was noticed")
    }
  }

  private func damage(
    _ inode: Inode, _ volume: AttributeVolume, using generator: inout SeededGenerator
  ) throws {
    var places: [UnsafeMutableRawBufferPointer] = [
      .init(start: UnsafeMutableRawPointer(inode.raw) + 128, count: 128)
    ]
    if let block = inode.attributeBlock, volume.volume.contains(BlockNumber(block)) {
      let buffer = try volume.volume.metadata.withLock { () throws(Ext4Error) in
        try volume.volume.readBlock(BlockNumber(block), of: inode.number)
      }
      places.append(.init(start: buffer.data, count: 200))
    }
    for _ in 0..<generator.number(1..<4) {
      let place = generator.pick(places)
      // Low offsets hold the fields; small and extreme numbers do the most.
      let offset = generator.number(0..<place.count)
      place[offset] = generator.pick([0, 1, 2, 4, 7, 8, 0x7F, 0x80, 0xFF, UInt8(offset)])
    }
    // An inode with room for attributes, most of the time, so that they are looked at.
    if !generator.oneIn(10) {
      inode.raw.pointee.i_extra_isize = 32
      (UnsafeMutableRawPointer(inode.raw) + 160).storeBytes(
        of: AttributeBlock.magic, as: UInt32.self)
    }
  }

  @Test func wrongChecksum() throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "8M", features: ["metadata_csum"],
        tree: try AttributeModelTests.makeTree(scratch, files: 1), options: ["-I", "128"])
      let number = try #require(try image.rootInodes()["f0"])
      let block = try AttributeVolume.with(image) { volume in
        let inode = try volume.inode(number)
        #expect(volume.set("user.a", of: inode, to: [1, 2, 3]) == nil)
        return try #require(inode.attributeBlock)
      }
      let file = try Syscall.open(image.path, O_RDWR)
      try Syscall.write(file, [9], at: Int(block) * 4096 + 4095)
      try Syscall.close(file)
      try AttributeVolume.with(image) { volume in
        let inode = try volume.inode(number)
        #expect(throws: Ext4Error.self) { try volume.value("user.a", of: inode) }
        #expect(volume.set("user.a", of: inode, to: []) == .corrupted)
        #expect(
          volume.errno { () throws(Ext4Error) in try inode.releaseAttributes() } == .corrupted)
      }
    }
  }
}
