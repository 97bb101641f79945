import TestSupport
import Testing

import struct SystemPackage.FilePath

@testable import Ext4

/// Random changes against a dictionary, on all kinds of images.
@Suite struct AttributeModelTests {
  struct Format: Sendable, CustomTestStringConvertible {
    var inodeSize: Int
    var blockSize: Int
    var hasChecksums: Bool

    var testDescription: String {
      "inodes of \(inodeSize), blocks of \(blockSize), \(hasChecksums ? "" : "no ")checksums"
    }

    static let all = [128, 256, 512].flatMap { inodeSize in
      [1024, 4096].flatMap { blockSize in
        [true, false].map {
          Format(inodeSize: inodeSize, blockSize: blockSize, hasChecksums: $0)
        }
      }
    }

    func makeImage(_ scratch: Scratch, tree: FilePath) throws -> Image {
      try Image(
        at: scratch.appending("image"), size: "8M",
        features: [hasChecksums ? "metadata_csum" : "^metadata_csum", "^has_journal", "^ext_attr"],
        blockSize: blockSize, tree: tree, options: ["-I", String(inodeSize), "-N", "256"])
    }
  }

  static func makeTree(_ scratch: Scratch, files: Int) throws -> FilePath {
    let tree = try scratch.directory("tree")
    for file in 0..<files {
      try Syscall.close(Syscall.open(tree.appending("f\(file)"), 0o101))
    }
    return tree
  }

  @Test(arguments: Format.all, [1, 2] as [UInt64])
  func randomChanges(format: Format, seed: UInt64) throws {
    let files = 5
    try Scratch.with { scratch in
      let image = try format.makeImage(scratch, tree: try Self.makeTree(scratch, files: files))
      let numbers = try image.rootInodes()
      var generator = SeededGenerator(seed: seed)
      var model = AttributeModel(files: Array(repeating: [:], count: files))
      var refused = 0
      for _ in 0..<4 {
        try AttributeVolume.with(image) { volume in
          let inodes = try (0..<files).map { try volume.inode(#require(numbers["f\($0)"])) }
          for _ in 0..<400 {
            let operation = AttributeOperation.random(
              files: files, blockSize: format.blockSize, using: &generator)
            let before = model
            let expected = model.apply(operation)
            let errno = volume.apply(operation, to: inodes)
            if errno == .noSpace, expected == nil {
              #expect(
                model.size(of: operation.file) > format.blockSize,
                "\(operation) was refused although all attributes fit into a block")
              model = before
              refused += 1
            } else {
              #expect(errno == expected, "\(operation)")
            }
            let file = operation.file
            #expect(try volume.attributes(of: inodes[file]) == model.files[file])
          }
        }
        try image.check()
        try AttributeVolume.with(image) { volume in
          for file in 0..<files {
            let inode = try volume.inode(#require(numbers["f\(file)"]))
            #expect(try volume.attributes(of: inode) == model.files[file])
          }
        }
      }
      #expect(refused > 0, "no attribute was too large for its place")
      #expect(try image.superblock("Filesystem features").contains("ext_attr"))
    }
  }

  /// What an inode has outside of itself is given back with it.
  @Test(arguments: Format.all) func freedInodes(format: Format) throws {
    try Scratch.with { scratch in
      let image = try format.makeImage(scratch, tree: try Self.makeTree(scratch, files: 1))
      let free = try image.superblock("Free blocks")
      try AttributeVolume.with(image) { volume in
        let root = try volume.inode(2)
        for round in 0..<3 {
          var inodes: [Inode] = []
          for file in 0..<20 {
            let inode = try volume.volume.metadata.withLock { () throws(Ext4Error) in
              let inode = try volume.volume.allocateInode(
                in: root, mode: 0o100644, userID: 0, groupID: 0)
              inode.linkCount = 1
              inode.initializeBlockMap()
              try inode.store()
              return inode
            }
            inodes.append(inode)
            // Two kinds of contents, so that blocks are shared, and one's own.
            #expect(
              volume.set("user.large", of: inode, to: Array(repeating: UInt8(file % 2), count: 500))
                == nil)
            #expect(volume.set("user.small", of: inode, to: [UInt8(round)]) == nil)
            #expect(
              inode.sectorCount
                == (inode.attributeBlock == nil ? 0 : UInt64(format.blockSize / 512)))
            if file == 10 {
              #expect(volume.set("user.own", of: inode, to: Array("only here".utf8)) == nil)
            }
          }
          let blocks = Set(inodes.compactMap(\.attributeBlock))
          #expect(blocks.count <= 3)
          for inode in inodes.shuffled() {
            #expect(
              volume.errno { () throws(Ext4Error) in try volume.volume.freeInode(inode) } == nil)
          }
        }
      }
      try image.check()
      #expect(try image.superblock("Free blocks") == free)
    }
  }

  @Test func namesAndOptions() throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "8M", tree: try Self.makeTree(scratch, files: 1))
      let number = try #require(try image.rootInodes()["f0"])
      try AttributeVolume.with(image) { volume in
        let inode = try volume.inode(number)
        let long = "user." + String(repeating: "x", count: 255)
        #expect(volume.set(long, of: inode, to: [1]) == nil)
        #expect(try volume.value(long, of: inode) == [1])
        #expect(volume.set(long + "x", of: inode, to: [1]) == .outOfRange)
        #expect(volume.set("user.", of: inode, to: [1]) == .invalidArgument)
        for name in ["other.x", "user", "", "system.data", "system.posix_acl_accessx"] {
          #expect(volume.set(name, of: inode, to: [1]) == .notSupported)
          #expect(volume.remove(name, of: inode) == .notSupported)
        }
        #expect(volume.set("security.capability", of: inode, to: [2]) == nil)
        let mayHave = inode.mayHaveCapability.load(ordering: .relaxed)
        #expect(mayHave)
      }
      var options = Volume.Options()
      options.userAttributes = false
      options.accessControlLists = false
      try AttributeVolume.with(image, options: options) { volume in
        let inode = try volume.inode(number)
        #expect(try volume.names(of: inode) == ["security.capability"])
        for name in ["user.x", "system.posix_acl_access", "system.posix_acl_default"] {
          #expect(volume.set(name, of: inode, to: [1]) == .notSupported)
          #expect(throws: Ext4Error.self) { try volume.value(name, of: inode) }
        }
      }
      try image.check()
    }
  }
}
