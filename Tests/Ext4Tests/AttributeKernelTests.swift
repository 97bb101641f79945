import Glibc
import TestSupport
import Testing

import struct SystemPackage.Errno

@testable import Ext4

/// The kernel's ext4 and this one on the same images. Wants root, for loop mounts.
@Suite(.enabled(if: getuid() == 0)) struct AttributeKernelTests {
  /// The same changes through the kernel and through us: the same errors, attributes and block counts; and
  /// each reads what the other wrote.
  @Test(
    arguments: AttributeModelTests.Format.all.filter { $0.hasChecksums == ($0.inodeSize > 128) },
    [1, 2] as [UInt64])
  func sameAsKernel(format: AttributeModelTests.Format, seed: UInt64) throws {
    let files = 5
    try Scratch.with { scratch in
      let point = try scratch.directory("mnt")
      let tree = try AttributeModelTests.makeTree(scratch, files: files)
      let theirs = try format.makeImage(scratch, tree: tree)
      let ours = Image(existing: scratch.appending("ours"))
      try Command(["cp", "--sparse=always", theirs.path.string, ours.path.string]).succeed()
      let numbers = try ours.rootInodes()
      var generator = SeededGenerator(seed: seed)
      for _ in 0..<3 {
        let operations = (0..<500).map { _ in
          AttributeOperation.random(files: files, blockSize: format.blockSize, using: &generator)
        }
        let paths = (0..<files).map { point.appending("f\($0)") }
        let (errnos, attributes, sectors) = try KernelMount.with(theirs, at: point) { _ throws in
          (
            operations.map { KernelMount.apply($0, to: paths) },
            try paths.map { try KernelMount.attributes(of: $0) },
            try paths.map { try Syscall.lstat($0).st_blocks }
          )
        }
        try AttributeVolume.with(ours) { volume in
          let inodes = try (0..<files).map { try volume.inode(#require(numbers["f\($0)"])) }
          for (operation, expected) in zip(operations, errnos) {
            #expect(volume.apply(operation, to: inodes) == expected, "\(operation)")
          }
          for file in 0..<files {
            #expect(try volume.attributes(of: inodes[file]) == attributes[file])
            #expect(inodes[file].sectorCount == UInt64(sectors[file]))
          }
        }
        try ours.check()
        try KernelMount.with(ours, at: point) { _ throws in
          for file in 0..<files {
            #expect(try KernelMount.attributes(of: paths[file]) == attributes[file])
          }
        }
        // The next round continues on what the other wrote.
        let spare = scratch.appending("spare")
        try Command(["mv", theirs.path.string, spare.string]).succeed()
        try Command(["mv", ours.path.string, theirs.path.string]).succeed()
        try Command(["mv", spare.string, ours.path.string]).succeed()
      }
    }
  }

  /// Values in inodes of their own: read, kept beside other changes, shared, freed with the last reference.
  @Test(arguments: [1024, 4096]) func valueInodes(blockSize: Int) throws {
    try Scratch.with { scratch in
      let point = try scratch.directory("mnt")
      let files = 6
      let image = try Image(
        at: scratch.appending("image"), size: "16M", features: ["ea_inode"], blockSize: blockSize,
        tree: try AttributeModelTests.makeTree(scratch, files: files))
      let free = try image.superblock("Free inodes")
      let paths = (0..<files).map { point.appending("f\($0)") }
      let common = SeededGenerator.bytes(40_000, seed: 1)
      try KernelMount.with(image, at: point) { _ throws in
        for file in 0..<files {
          try Syscall.setXattr(paths[file], "user.common", common)
          try Syscall.setXattr(
            paths[file], "user.own", SeededGenerator.bytes(5000 + file, seed: UInt64(file)))
          try Syscall.setXattr(paths[file], "user.small", Array("small".utf8))
        }
        // Files whose blocks are equal, values included, so that they share them.
        for file in 3..<5 {
          try Syscall.setXattr(paths[file], "user.own", common)
        }
      }
      let numbers = try image.rootInodes()
      try AttributeVolume.with(image) { volume in
        let inodes = try (0..<files).map { try volume.inode(#require(numbers["f\($0)"])) }
        for file in 0..<files {
          #expect(try volume.value("user.common", of: inodes[file]) == common)
          let own =
            (3..<5) ~= file ? common : SeededGenerator.bytes(5000 + file, seed: UInt64(file))
          #expect(try volume.value("user.own", of: inodes[file]) == own)
        }
        // Other attributes change in the same places: in the body, and in the block, shared or not.
        for file in [0, 3] {
          #expect(volume.set("user.small", of: inodes[file], to: Array(1...100)) == nil)
          #expect(volume.set("user.medium", of: inodes[file], to: Array(1...200)) == nil)
          #expect(try volume.value("user.common", of: inodes[file]) == common)
        }
        #expect(volume.set("user.common", of: inodes[0], to: [7]) == nil)
        #expect(volume.remove("user.own", of: inodes[0]) == nil)
        #expect(volume.remove("user.common", of: inodes[1]) == nil)
        #expect(volume.set("user.own", of: inodes[1], to: []) == nil)
        #expect(volume.remove("user.own", of: inodes[3]) == nil)
        #expect(volume.set("user.new", of: inodes[2], to: common) == nil)
      }
      try image.check()
      try KernelMount.with(image, at: point) { _ throws in
        #expect(
          try KernelMount.attributes(of: paths[0]) == [
            "user.small": Array(1...100), "user.medium": Array(1...200), "user.common": [7],
          ])
        #expect(
          try KernelMount.attributes(of: paths[1]) == [
            "user.small": Array("small".utf8), "user.own": [],
          ])
        #expect(try Syscall.xattr(paths[2], "user.new") == common)
        #expect(try Syscall.xattr(paths[3], "user.common") == common)
        #expect(try Syscall.xattr(paths[4], "user.own") == common)
      }
      // The files go, and all values with them.
      for file in 0..<files { try image.debugfs("unlink f\(file)", write: true) }
      try AttributeVolume.with(image) { volume in
        for file in 0..<files {
          let inode = try volume.inode(#require(numbers["f\(file)"]))
          #expect(
            volume.errno { () throws(Ext4Error) in try volume.volume.freeInode(inode) } == nil)
        }
      }
      try image.check()
      let freed = try #require(try Int(image.superblock("Free inodes")))
      #expect(try freed == #require(Int(free)) + files)
    }
  }

  /// Values in inodes that count too few references, changed, or are something else.
  @Test func wrongValueInodes() throws {
    try Scratch.with { scratch in
      let point = try scratch.directory("mnt")
      let image = try Image(
        at: scratch.appending("image"), size: "16M", features: ["ea_inode"],
        tree: try AttributeModelTests.makeTree(scratch, files: 4))
      let value = SeededGenerator.bytes(10_000, seed: 1)
      try KernelMount.with(image, at: point) { _ throws in
        for file in 0..<2 { try Syscall.setXattr(point.appending("f\(file)"), "user.v", value) }
        for file in 2..<4 {
          let other = SeededGenerator.bytes(10_000, seed: UInt64(file))
          try Syscall.setXattr(point.appending("f\(file)"), "user.v", other)
        }
      }
      let numbers = try image.rootInodes()
      try AttributeVolume.with(image) { volume in
        let inodes = try (0..<4).map { try volume.inode(#require(numbers["f\($0)"])) }
        let values = try inodes.map { inode in
          let area = try #require(
            try volume.volume.metadata.withLock { () throws(Ext4Error) in
              try inode.readBodyArea()
            })
          return try volume.inode(#require(area.entries.first { _ in true }?.valueInode).rawValue)
        }
        #expect(values[0] === values[1])
        values[0].raw.pointee.osd1.linux1.l_i_version = 1
        #expect(volume.remove("user.v", of: inodes[0]) == nil)
        // Freed with the reference that was counted.
        #expect(volume.remove("user.v", of: inodes[1]) == .corrupted)
        #expect(throws: Ext4Error.self) { try volume.value("user.v", of: inodes[1]) }

        let block = try #require(
          try volume.volume.metadata.withLock { () throws(Ext4Error) in
            try values[2].block(at: LogicalBlock(1))
          })
        try withUnsafeBytes(of: UInt64(0)) {
          try volume.volume.device.write($0, at: block.rawValue * 4096)
        }
        #expect(throws: Ext4Error.self) { try volume.value("user.v", of: inodes[2]) }
        #expect(volume.remove("user.v", of: inodes[2]) == nil)

        values[3].flags.remove(.attributeValue)
        #expect(throws: Ext4Error.self) { try volume.value("user.v", of: inodes[3]) }
        #expect(volume.set("user.v", of: inodes[3], to: [1]) == .corrupted)
        #expect(
          volume.errno { () throws(Ext4Error) in try inodes[3].releaseAttributes() } == .corrupted)
      }
    }
  }

  /// Small files in their inodes, with attributes beside them.
  @Test(arguments: [256, 512]) func inlineData(inodeSize: Int) throws {
    try Scratch.with { scratch in
      let point = try scratch.directory("mnt")
      let image = try Image(
        at: scratch.appending("image"), size: "16M", features: ["inline_data"],
        options: ["-I", String(inodeSize)])
      let lengths = [0, 1, 59, 60, 61, 100, 120]
      func data(_ length: Int) -> [UInt8] { SeededGenerator.bytes(length, seed: UInt64(length)) }
      try KernelMount.with(image, at: point) { _ throws in
        for length in lengths {
          try Syscall.withOpen(point.appending("d\(length)"), O_RDWR | O_CREAT) {
            file throws(Errno) in
            _ = try Syscall.write(file, data(length), at: 0)
          }
          if length % 2 == 1 {
            try Syscall.setXattr(point.appending("d\(length)"), "user.before", [1, 2, 3])
          }
        }
      }
      let numbers = try image.rootInodes()
      try AttributeVolume.with(image) { volume in
        for length in lengths {
          let inode = try volume.inode(#require(numbers["d\(length)"]))
          func check() throws {
            let isInline = inode.flags.contains(.inlineData)
            #expect(isInline || length == 0)
            guard isInline else { return }
            let read = try volume.volume.metadata.withLock { () throws(Ext4Error) in
              try inode.inlineData()
            }
            #expect(read == data(length))
          }
          try check()
          #expect(try volume.names(of: inode) == (length % 2 == 1 ? ["user.before"] : []))
          #expect(volume.set("user.body", of: inode, to: [9]) == nil)
          #expect(volume.set("user.block", of: inode, to: Array(repeating: 3, count: 600)) == nil)
          try check()
          #expect(volume.remove("user.body", of: inode) == nil)
          #expect(volume.set("user.block", of: inode, to: Array("short".utf8)) == nil)
          try check()
        }
      }
      try image.check()
      try KernelMount.with(image, at: point) { _ throws in
        for length in lengths {
          let path = point.appending("d\(length)")
          let read = try Syscall.withOpen(path, O_RDONLY) { file throws(Errno) in
            try Syscall.read(file, count: 200, at: 0)
          }
          #expect(read == data(length))
          #expect(try Syscall.xattr(path, "user.block") == Array("short".utf8))
        }
      }
    }
  }
}
