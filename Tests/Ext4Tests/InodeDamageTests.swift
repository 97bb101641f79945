import CExt2FS
import Glibc
import Journal
import TestSupport
import Testing

import struct SystemPackage.Errno

@testable import Ext4

/// Inodes that no file system has made: they are refused when they are read, as ext4_iget does.
@Suite struct InodeDamageTests {
  /// A field, by its offset in the inode, and what it is set to.
  struct Damage: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let kind: Kind
    let offset: Int
    let bytes: [UInt8]

    init(_ what: String, of kind: Kind, at offset: Int, _ bytes: [UInt8]) {
      testDescription = "\(what) of a \(kind)"
      self.kind = kind
      self.offset = offset
      self.bytes = bytes
    }
  }

  enum Kind: Sendable, CaseIterable { case file, directory, link }

  // i_size at 4, i_file_acl at 104, i_size_high at 108, l_i_file_acl_high at 118, i_extra_isize at 128.
  static let damages =
    Kind.allCases.flatMap { kind in
      [
        Damage("extra fields without end", of: kind, at: 128, [0xFC, 0xFF]),
        Damage("extra fields of an odd length", of: kind, at: 128, [0x1F, 0]),
        Damage("an attribute block behind the end", of: kind, at: 104, [0xFF, 0xFF, 0xFF, 0x7F]),
        Damage("a far attribute block", of: kind, at: 118, [0xFF, 0xFF]),
      ]
    } + [
      Damage("a negative size", of: .file, at: 108, [0, 0, 0, 0x80]),
      Damage("the largest size", of: .file, at: 108, [0xFF, 0xFF, 0xFF, 0xFF]),
      Damage("a size beyond the map", of: .file, at: 108, [0, 0, 2, 0]),
      Damage("a size beyond the file system", of: .directory, at: 4, [0, 0, 0, 0xFF]),
      Damage("a size beyond the inode", of: .link, at: 4, [60, 0, 0, 0]),
      Damage("no size", of: .link, at: 4, [0, 0, 0, 0]),
    ]

  @Test(arguments: damages)
  func refused(_ damage: Damage) throws {
    try withFiles { fixture, files in
      let number = try #require(files[damage.kind])
      try fixture.locked { () throws(Ext4Error) in
        let inode = try fixture.volume.inode(number)
        UnsafeMutableRawPointer(inode.raw).advanced(by: damage.offset).copyMemory(
          from: damage.bytes, byteCount: damage.bytes.count)
        try inode.store()
        fixture.volume.inodes.remove(inode)
      }
      #expect {
        try fixture.locked { () throws(Ext4Error) in _ = try fixture.volume.inode(number) }
      } throws: { ($0 as? Ext4Error)?.errno == .corrupted }
    }
  }

  /// What is not judged, since a kernel takes it as well, leads to no more than EUCLEAN.
  @Test(.timeLimit(.minutes(2)), arguments: [1, 2, 3] as [UInt64])
  func randomDamage(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    try withFiles { fixture, files in
      let volume = fixture.volume
      for _ in 0..<400 {
        let kind = random.pick(Kind.allCases)
        let number = try #require(files[kind])
        let inode = try fixture.locked { () throws(Ext4Error) in try volume.inode(number) }
        let before = UnsafeMutableRawBufferPointer.allocate(
          byteCount: volume.inodeSize, alignment: 8)
        defer { before.deallocate() }
        before.copyMemory(from: UnsafeRawBufferPointer(start: inode.raw, count: before.count))
        try fixture.locked { () throws(Ext4Error) in
          for _ in 0..<random.number(1..<4) {
            let value = random.pick([0, 1, 0x7F, 0x80, 0xFF, UInt8(random.number(0..<256))])
            UnsafeMutableRawPointer(inode.raw).storeBytes(
              of: value, toByteOffset: random.number(0..<160), as: UInt8.self)
          }
          try inode.store()
          volume.inodes.remove(inode)
        }
        try use(number, fixture)
        try fixture.locked { () throws(Ext4Error) in
          if let known = volume.inodes[number] { volume.inodes.remove(known) }
          let again = Inode(number: number, volume: volume, raw: volume.makeRawInode())
          UnsafeMutableRawPointer(again.raw).copyMemory(
            from: before.baseAddress!, byteCount: before.count)
          try again.store()
        }
      }
    }
  }

  private enum Use: CaseIterable {
    case status, follow, seek, load, read, list, attributes, punch, allocate, truncate, chmod

    func apply(to inode: Inode) throws(Ext4Error) {
      switch self {
      case .status: _ = inode.status()
      case .follow: _ = try inode.linkTarget()
      case .seek: _ = try inode.seek(from: 0, toData: false)
      case .load: try inode.loadAllMappings()
      case .read:
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 8)
        defer { bytes.deallocate() }
        for position in [0, UInt64(1) << 31, inode.sizeOnDisk &- 100] {
          _ = try inode.read(into: bytes, at: position)
        }
      case .list: try inode.volume.list(inode, from: 0) { _ in true }
      case .attributes: _ = try inode.extendedAttributeNames(toPrivileged: true)
      case .punch: try inode.change(.punchHole, at: 0, length: 1 << 32, options: [])
      case .allocate:
        try inode.change(.allocate(keepSize: true), at: 0, length: 1 << 20, options: [])
      case .truncate:
        var change = AttributeChange()
        change.size = inode.sizeOnDisk / 2
        try inode.apply(change)
      case .chmod:
        var change = AttributeChange()
        change.mode = 0o600
        try inode.apply(change)
      }
    }
  }

  private func use(_ number: InodeNumber, _ fixture: DirectoryFixture) throws {
    for use in Use.allCases {
      let start = Monotonic.milliseconds
      do throws(Ext4Error) {
        try use.apply(to: try fixture.volume.node(number))
      } catch {
        #expect(error.errno != .ioError, "\(use): \(error)")
      }
      let taken = Monotonic.milliseconds - start
      #expect(taken < 1000, "\(use): \(taken) ms")
    }
  }

  /// A file that was being truncated when a mount was interrupted, of a size that no file has.
  @Test func orphanOfImpossibleSize() throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "16M", features: ["^metadata_csum"], blockSize: 1024)
      try DirectoryFixture.withOpen(image) { fixture in
        let file = try fixture.make(.regularFile, "file")
        try #require(file.number.rawValue == 12)
      }
      try image.debugfs("set_inode_field <12> size 0xfffffffffffffff0", write: true)
      try image.debugfs("set_super_value last_orphan 12", write: true)
      let file = try Syscall.open(image.path, O_RDWR)
      defer { close(file) }
      let volume = try Volume.open(
        BlockDevice(
          fileDescriptor: file, byteOffset: 0, byteCount: 16 << 20, isWritable: true),
        options: .init())
      let warnings = try volume.startWriting()
      #expect(warnings.contains { $0.contains("damaged") }, "\(warnings)")
      #expect(throws: Ext4Error.self) { try volume.node(InodeNumber(12)) }
      try volume.close()
    }
  }

  private func withFiles(
    _ body: (DirectoryFixture, [Kind: InodeNumber]) throws -> Void
  ) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "64M", features: ["^metadata_csum", "^has_journal"],
        options: ["-I", "256"])
      try DirectoryFixture.open(image) { fixture in
        defer { fixture.volume.discard() }
        let file = try fixture.make(.regularFile, "file")
        let bytes = [UInt8](repeating: 3, count: 100_000)
        _ = try bytes.withUnsafeBytes { try file.write($0, at: 0, options: []) }
        let directory = try fixture.make(.directory, "directory")
        let link = try fixture.make(.symbolicLink(Array("there".utf8)), "link")
        try body(
          fixture, [.file: file.number, .directory: directory.number, .link: link.number])
      }
    }
  }
}
