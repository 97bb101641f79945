import Foundation
import Glibc
import Journal
import Synchronization
import TestSupport
import Testing

import struct SystemPackage.Errno
import struct SystemPackage.FileDescriptor
import struct SystemPackage.FilePath

@testable import Ext4

/// What superblock and group descriptors say is judged before it is used.
@Suite struct GeometryDamageTests {
  /// Opens the image, does a little of everything, and closes it. Returns why it could not be opened.
  @discardableResult
  private static func tour(
    _ image: Image, readOnly: Bool, observer: (any BlockDeviceObserver)? = nil
  ) throws -> MountRefusal? {
    let file = try FileDescriptor.open(image.path, readOnly ? .readOnly : .readWrite)
    defer { try? file.close() }
    let device = BlockDevice(
      fileDescriptor: file.rawValue, byteOffset: 0,
      byteCount: try file.seek(offset: 0, from: .end), isWritable: !readOnly, observer: observer)
    var options = Volume.Options()
    options.readOnly = readOnly
    let volume: Volume
    do throws(MountRefusal) {
      volume = try Volume.open(device, options: options)
    } catch {
      return error
    }
    defer {
      if volume.isOpen { volume.metadata.withLock { volume.discard() } }
    }
    // What is damaged may make any of these fail; none may end the process.
    _ = volume.statistics()
    _ = try? volume.startWriting()
    let fixture = DirectoryFixture(volume: volume)
    if let root = try? fixture.root { _ = try? fixture.names(in: root) }
    if !readOnly {
      _ = try? fixture.make(.directory, "a directory")
      if let made = try? fixture.make(.regularFile, "a file") {
        _ = Self.write(5000, to: made)
      }
      if let root = try? fixture.root { try? fixture.unlink("a file", in: root) }
      _ = try? volume.trim(start: 0, length: .max, minimumLength: 0)
      _ = volume.statistics()
    }
    _ = try? volume.close()
    return nil
  }

  @discardableResult
  private static func write(_ count: Int, to inode: Inode) -> Ext4Error? {
    let bytes = [UInt8](repeating: 0x5A, count: count)
    return bytes.withUnsafeBytes { bytes in
      do throws(Ext4Error) {
        _ = try inode.write(bytes, at: 0, options: [])
        return nil
      } catch {
        return error
      }
    }
  }

  /// Without the feature 64bit descriptors take 32 bytes, whatever `s_desc_size` says (EXT4_DESC_SIZE).
  @Test(arguments: [64, 128, 1024, 4096, 65_535] as [UInt64], [1024, 4096])
  func descriptorsAreNarrowWithout64Bit(size: UInt64, blockSize: Int) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "100M", features: ["^64bit"], blockSize: blockSize)
      let old = try ImageHead(of: image).superblock
      try image.change { $0.set(SuperblockField.descriptorSize, to: size) }
      if size <= 1024 { try image.check() }
      try DirectoryFixture.open(image) { fixture in
        for index in 0..<100 { try fixture.make(.directory, "directory\(index)") }
        try fixture.volume.synchronize()
        try fixture.volume.close()
      }
      // No descriptor is larger, says e2fsck.
      if size > 1024 {
        try image.change {
          $0.set(
            SuperblockField.descriptorSize, to: SuperblockField.descriptorSize.value(in: old))
        }
      }
      try image.check()
    }
  }

  /// The block numbers of a group's metadata are judged before a block is read through them.
  @Test(arguments: DescriptorField.wide.prefix(3) + [DescriptorField.inodeTable], [false, true])
  func descriptorsThatPointOutside(field: DiskField, hasJournal: Bool) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "40M",
        features: ["64bit", hasJournal ? "has_journal" : "^has_journal"], blockSize: 1024)
      let pristine = try ImageHead(of: image)
      for group in [0, 1, 4] {
        for value: UInt64 in [0xFFFF_FFFF, 0x8000_0000, 0x7FFF_FFFF, 0x4000_0000] {
          var head = pristine
          head.set(field, of: group, to: value)
          try head.write(to: image)
          for readOnly in [true, false] {
            let refusal = try Self.tour(image, readOnly: readOnly)
            #expect(
              refusal?.description.contains("group \(group) points outside") == true,
              "\(field) \(value) of group \(group): \(refusal?.description ?? "mounted")")
          }
        }
      }
    }
  }

  @Test func reservedBlocksThatAreMoreThanThereAre() throws {
    try Scratch.with { scratch in
      let image = try Image(at: scratch.appending("image"), size: "16M", features: ["64bit"])
      try image.change { head in
        head.set(SuperblockField.reservedBlocks, to: .max)
        head.set(SuperblockField.reservedBlocksHigh, to: .max)
      }
      try DirectoryFixture.open(image) { fixture in
        let statistics = fixture.volume.statistics()
        #expect(statistics.availableBlocks == 0)
        #expect(statistics.freeBlocks > 0)
        // Root's files may use them.
        let file = try fixture.make(.regularFile, "root's")
        #expect(Self.write(5000, to: file) == nil)
        let node = NewNode(.regularFile, permissions: 0o755, umask: 0, userID: 77, groupID: 77)
        let root = try fixture.root
        let other = try withName("another's") { name throws(Ext4Error) in
          try fixture.volume.create(node, named: name, in: root)
        }
        #expect(Self.write(5000, to: other)?.errno == .noSpace)
        try fixture.volume.close()
      }
    }
  }

  private final class ReadCounter: BlockDeviceObserver {
    let bytes = Atomic<Int>(0)
    func didRead(_ count: Int, at offset: UInt64) { bytes.wrappingAdd(count, ordering: .relaxed) }
    func willWrite(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) {}
    func willFlush() {}
    func didFlush() {}
  }

  /// Descriptors of 1 GiB that were never written: found out with the first of them.
  @Test(arguments: ["", "meta_bg"])
  func sixteenMillionGroups(feature: String) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "64M",
        features: ["64bit", "^has_journal", "^resize_inode"] + (feature.isEmpty ? [] : [feature]))
      let groups: UInt64 = 1 << 24
      let blocksPerGroup: UInt64 = 4096
      try image.change { head in
        let blocks = groups * blocksPerGroup
        head.set(SuperblockField.blocksPerGroup, to: blocksPerGroup)
        head.set(SuperblockField.clustersPerGroup, to: blocksPerGroup)
        head.set(SuperblockField.blocksCount, to: blocks & 0xFFFF_FFFF)
        head.set(SuperblockField.blocksCountHigh, to: blocks >> 32)
        head.set(SuperblockField.inodesPerGroup, to: 64)
        head.set(SuperblockField.inodesCount, to: groups * 64)
      }
      // More than many file systems allow a file to be long: the device says so.
      let length = Int64(groups * blocksPerGroup) * 4096
      let file = try FileDescriptor.open(image.path, .readOnly)
      defer { try? file.close() }
      let counter = ReadCounter()
      let device = BlockDevice(
        fileDescriptor: file.rawValue, byteOffset: 0, byteCount: length, isWritable: false,
        observer: counter)
      var options = Volume.Options()
      options.readOnly = true
      let start = ContinuousClock.now
      #expect(throws: MountRefusal.self) { try Volume.open(device, options: options) }
      #expect(ContinuousClock.now - start < .seconds(Sanitizer.patience))
      #expect(counter.bytes.load(ordering: .relaxed) < 4 << 20)
    }
  }

  /// A file system whose superblock claims more than the device has is refused by the superblock alone.
  @Test func descriptorsBehindTheEndOfTheDevice() throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: "64M", features: ["64bit", "^has_journal"])
      try image.change { head in
        head.set(SuperblockField.blocksCountHigh, to: 0x7F)
        head.set(SuperblockField.blocksCount, to: 0)
        head.set(SuperblockField.inodesPerGroup, to: 16)
        head.set(SuperblockField.inodesCount, to: (UInt64(0x7F) << 32) / 32768 * 16)
      }
      let counter = ReadCounter()
      let refusal = try Self.tour(image, readOnly: true, observer: counter)
      #expect(refusal?.description.contains("more than the 67108864 bytes of its device") == true)
      #expect(counter.bytes.load(ordering: .relaxed) < 16384)
    }
  }

  /// An orphan with a name is truncated to its size, which must be one that a file can have.
  @Test(arguments: [.max, .max - 4095, 1 << 63, 1 << 63 - 1] as [UInt64])
  func orphansWithImpossibleSizes(size: UInt64) throws {
    try Scratch.with { scratch in
      let tree = try scratch.directory("tree")
      try Data(repeating: 7, count: 100_000).write(
        to: URL(filePath: tree.appending("file").string))
      let image = try Image(
        at: scratch.appending("image"), size: "16M", features: ["^metadata_csum"], tree: tree)
      let number = try #require(try image.rootInodes()["file"])
      try image.debugfs("set_inode_field <\(number)> size \(size)", write: true)
      try image.change { $0.set(SuperblockField.lastOrphan, to: UInt64(number)) }
      for readOnly in [true, false] { #expect(try Self.tour(image, readOnly: readOnly) == nil) }
      // What is damaged was recorded, and not followed.
      #expect(try image.superblock("Filesystem state").contains("errors"))
    }
  }

  private struct Kind: Sendable, CustomStringConvertible {
    let features: [String]
    let blockSize: Int
    let size: String
    var options: [String] = []
    var description: String { "\(features) \(blockSize)" }
  }

  private static let kinds = [
    Kind(
      features: ["64bit", "^has_journal"], blockSize: 1024, size: "3M",
      options: ["-g", "1024", "-N", "96"]),
    Kind(
      features: ["^64bit", "^has_journal", "^metadata_csum", "^flex_bg", "^extents"],
      blockSize: 1024, size: "3M", options: ["-g", "1024", "-N", "96"]),
    Kind(
      features: ["64bit", "meta_bg", "^resize_inode", "^has_journal"],
      blockSize: 4096, size: "2M"),
    Kind(features: ["has_journal"], blockSize: 1024, size: "3M", options: ["-J", "size=1"]),
  ]

  /// Every field with values that make no sense, and some that almost do.
  @Test(arguments: kinds.indices)
  func everyField(kind: Int) throws {
    let kind = Self.kinds[kind]
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: kind.size, features: kind.features,
        blockSize: kind.blockSize, options: kind.options)
      let bytes = try Data(contentsOf: URL(filePath: image.path.string))
      let pristine = try ImageHead(of: image)
      try Self.inMemory { copy in
        func attempt(_ head: ImageHead) throws {
          for readOnly in [true, false] {
            var head = head
            try bytes.write(to: URL(filePath: copy.path.string))
            try head.write(to: copy)
            try Self.tour(copy, readOnly: readOnly)
          }
        }
        try Self.changeEveryField(pristine, attempt)
      }
    }
  }

  /// An image that is flushed at no cost, since there are thousands of them.
  private static func inMemory(_ body: (Image) throws -> Void) throws {
    let name = "/fuse4fs-\(UUID().uuidString)"
    let descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
    guard descriptor >= 0 else { throw Errno(rawValue: errno) }
    defer { Glibc.close(descriptor) }
    shm_unlink(name)
    try body(Image(existing: FilePath("/proc/self/fd/\(descriptor)")))
  }

  private static func changeEveryField(
    _ pristine: ImageHead, _ attempt: (ImageHead) throws -> Void
  ) throws {
    for field in SuperblockField.all {
      for value in Self.values(of: field, near: field.value(in: pristine.superblock)) {
        var head = pristine
        head.set(field, to: value)
        try attempt(head)
      }
    }
    for field in DescriptorField.narrow
      + (pristine.hasWideDescriptors ? DescriptorField.wide : [])
    {
      for value in Self.values(of: field, near: pristine.value(field, of: 0)) {
        var head = pristine
        head.set(field, of: 0, to: value)
        try attempt(head)
      }
    }
  }

  private static func values(of field: DiskField, near value: UInt64) -> Set<UInt64> {
    let sign = field.maximum / 2 + 1
    return Set(
      [
        0, 1, 2, 7, value &- 1, value &+ 1, value << 1, value ^ 1, sign, sign - 1, field.maximum,
        field.maximum - 1,
      ].map { $0 & field.maximum }
    ).subtracting([value])
  }
}
