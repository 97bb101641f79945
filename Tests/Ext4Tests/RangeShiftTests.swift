import Glibc
import TestSupport
import Testing

import struct SystemPackage.Errno
import struct SystemPackage.FilePath

@testable import Ext4

/// Collapsing and inserting ranges, against the kernel. Wants root, for loop mounts.
@Suite(.enabled(if: getuid() == 0)) struct RangeShiftTests {
  enum Operation {
    case write(offset: Int, length: Int, seed: UInt64)
    case fallocate(mode: CInt, offset: Int, length: Int)

    static let keepSize: CInt = 1
    static let punch: CInt = 3
    static let collapse: CInt = 8
    static let insert: CInt = 0x20

    static func random(blockSize: Int, using generator: inout SeededGenerator) -> Self {
      let offset = generator.number(0..<64) * blockSize
      let length = generator.number(1..<16) * blockSize
      switch generator.number(0..<9) {
      case 0...2:
        return .write(
          offset: offset + generator.number(0..<blockSize),
          length: generator.number(1..<5 * blockSize), seed: generator.next())
      case 3: return .fallocate(mode: punch, offset: offset, length: length)
      case 4: return .fallocate(mode: keepSize, offset: offset, length: length)
      case 5, 6:
        let skew = generator.oneIn(10) ? 1 : 0
        return .fallocate(mode: collapse, offset: offset + skew, length: length)
      default:
        let skew = generator.oneIn(10) ? 512 : 0
        return .fallocate(mode: insert, offset: offset, length: length + skew)
      }
    }

    func apply(to file: CInt) -> Errno? {
      do throws(Errno) {
        switch self {
        case .write(let offset, let length, let seed):
          _ = try Syscall.write(file, SeededGenerator.bytes(length, seed: seed), at: offset)
        case .fallocate(let mode, let offset, let length):
          try Syscall.fallocate(file, mode: mode, offset: offset, length: length)
        }
        return nil
      } catch {
        return error
      }
    }

    func apply(to inode: Inode) -> Errno? {
      do throws(Ext4Error) {
        switch self {
        case .write(let offset, let length, let seed):
          try inode.writeAll(SeededGenerator.bytes(length, seed: seed), at: UInt64(offset))
        case .fallocate(let mode, let offset, let length):
          let operation: Inode.RangeOperation =
            switch mode {
            case Self.punch: .punchHole
            case Self.collapse: .collapse
            case Self.insert: .insert
            default: .allocate(keepSize: true)
            }
          try inode.change(
            operation, at: UInt64(offset), length: UInt64(length), options: [])
        }
        return nil
      } catch {
        return error.errno
      }
    }
  }

  /// The same random operations through the kernel and through us: the same errors and contents, which each also finds in what the
  /// other left.
  @Test(arguments: [1024, 4096], [1, 2] as [UInt64]) func sameAsKernel(
    blockSize: Int, seed: UInt64
  ) throws {
    try Scratch.with { scratch in
      let point = try scratch.directory("mnt")
      let path = point.appending("f0")
      let theirs = try Image(
        at: scratch.appending("theirs"), size: "32M", blockSize: blockSize,
        tree: try AttributeModelTests.makeTree(scratch, files: 1))
      let ours = Image(existing: scratch.appending("ours"))
      try Command(["cp", "--sparse=always", theirs.path.string, ours.path.string]).succeed()
      let number = try #require(try ours.rootInodes()["f0"])
      var generator = SeededGenerator(seed: seed)
      for _ in 0..<2 {
        let operations = (0..<300).map { _ in
          Operation.random(blockSize: blockSize, using: &generator)
        }
        let (errnos, contents) = try KernelMount.with(theirs, at: point) { _ throws in
          try Syscall.withOpen(path, O_RDWR) { (file) throws(Errno) in
            let errnos = operations.map { $0.apply(to: file) }
            return (
              errnos,
              try Syscall.read(file, count: Int(try Syscall.fstat(file).st_size), at: 0)
            )
          }
        }
        #expect(errnos.contains(nil) && errnos.contains(.invalidArgument))
        try AttributeVolume.with(ours) { volume in
          let inode = try volume.inode(number)
          for (operation, expected) in zip(operations, errnos) {
            #expect(operation.apply(to: inode) == expected, "\(operation)")
          }
          #expect(try inode.contents() == contents)
        }
        try ours.check()
        try KernelMount.with(ours, at: point) { _ throws in
          let size = Int(try Syscall.lstat(path).st_size)
          let read = try Syscall.withOpen(path, O_RDONLY) { (file) throws(Errno) in
            try Syscall.read(file, count: size, at: 0)
          }
          #expect(read == contents)
        }
        let spare = scratch.appending("spare")
        try Command(["mv", theirs.path.string, spare.string]).succeed()
        try Command(["mv", ours.path.string, theirs.path.string]).succeed()
        try Command(["mv", spare.string, ours.path.string]).succeed()
      }
    }
  }

  /// A tree of thousands of extents on several levels, whose nodes do not all fit into a transaction.
  @Test func manyExtents() throws {
    let (blockSize, extents) = (1024, 24_000)
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "96M", blockSize: blockSize,
        tree: try AttributeModelTests.makeTree(scratch, files: 1),
        options: ["-J", "size=1"])
      let number = try #require(try image.rootInodes()["f0"])
      func word(_ block: Int) -> [UInt8] { withUnsafeBytes(of: UInt64(block + 1)) { Array($0) } }
      try AttributeVolume.with(image) { volume in
        let inode = try volume.inode(number)
        for block in 0..<extents { try inode.writeAll(word(block), at: UInt64(block * 2048)) }
        try inode.change(.insert, at: 4 * 2048, length: 10 * 1024, options: [])
        try inode.change(.collapse, at: 2048, length: 2048, options: [])
        try inode.change(.collapse, at: 100 * 2048, length: 2 * 2048, options: [])
        #expect(inode.sizeInBytes.load(ordering: .relaxed) == UInt64((extents + 1) * 2048 + 8))
        #expect(volume.volume.isWritable)
        // Each block as the index it had, the holes of zeros.
        var expected = [0] + Array(2..<4) + [-1, -1, -1, -1, -1] + Array(4..<extents)
        expected.removeSubrange(100..<102)
        for (place, block) in expected.enumerated() where place % 97 == 0 || place < 200 {
          let read = try inode.bytes(8, at: UInt64(place * 2048))
          #expect(read == (block < 0 ? Array(repeating: 0, count: 8) : word(block)))
        }
      }
      try image.check()
    }
  }

  /// Files with block maps cannot do it, and other sizes are refused; nothing changes.
  @Test func whatIsRefused() throws {
    try Scratch.with { scratch in
      let tree = try AttributeModelTests.makeTree(scratch, files: 1)
      for type in ["ext3", "ext4"] {
        let image = try Image(at: scratch.appending(type), size: "16M", type: type, tree: tree)
        let number = try #require(try image.rootInodes()["f0"])
        try AttributeVolume.with(image) { volume in
          let inode = try volume.inode(number)
          try inode.writeAll(SeededGenerator.bytes(20_000, seed: 1), at: 0)
          func errno(_ mode: CInt, _ offset: Int, _ length: Int) -> Errno? {
            Operation.fallocate(mode: mode, offset: offset, length: length).apply(to: inode)
          }
          if type == "ext3" {
            #expect(errno(Operation.collapse, 0, 4096) == .notSupported)
            #expect(errno(Operation.insert, 0, 4096) == .notSupported)
          } else {
            #expect(errno(Operation.collapse, 16384, 4096) == .invalidArgument, "to the end")
            #expect(errno(Operation.insert, 20_480, 4096) == .invalidArgument, "behind the end")
            #expect(errno(Operation.collapse, 100, 4096) == .invalidArgument)
            #expect(errno(Operation.insert, 0, 1 << 44) == .fileTooLarge)
          }
          #expect(try inode.contents() == SeededGenerator.bytes(20_000, seed: 1))
        }
        try image.check()
      }
    }
  }
}

extension Inode {
  fileprivate func writeAll(_ bytes: [UInt8], at offset: UInt64) throws(Ext4Error) {
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(Ext4Error) in try write(buffer, at: offset, options: []) }
    }
    _ = try result.get()
  }

  fileprivate func bytes(_ count: Int, at offset: UInt64) throws(Ext4Error) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let result = bytes.withUnsafeMutableBytes { buffer in
      Result { () throws(Ext4Error) in try read(into: buffer, at: offset) }
    }
    let done = try result.get()
    return Array(bytes.prefix(done))
  }

  fileprivate func contents() throws(Ext4Error) -> [UInt8] {
    try bytes(Int(sizeInBytes.load(ordering: .relaxed)), at: 0)
  }
}
