import Glibc
import Journal
import Synchronization
import TestSupport
import Testing

import struct SystemPackage.FileDescriptor

@testable import Ext4

/// Operations on what has not been read from a device yet, and the device.
enum ColdWork {
  /// Slow once it is told to be; nothing comes from the system's memory then.
  final class Device: BlockDeviceObserver {
    static let microseconds: UInt32 = 500_000
    private let isSlow = Atomic<Bool>(false)
    private let accesses = Atomic<Int>(0)

    var accessCount: Int { accesses.load(ordering: .relaxed) }

    func slowDown() { isSlow.store(true, ordering: .relaxed) }
    func speedUp() { isSlow.store(false, ordering: .relaxed) }

    private func wait() {
      guard isSlow.load(ordering: .relaxed) else { return }
      accesses.add(1, ordering: .relaxed)
      usleep(Self.microseconds)
    }

    func isInMemory(_ count: Int, at offset: UInt64) -> Bool { !isSlow.load(ordering: .relaxed) }
    func willRead(_ count: Int, at offset: UInt64) { wait() }
    func didRead(_ count: Int, at offset: UInt64) {}
    func willWrite(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) { wait() }
    func willFlush() { wait() }
    func didFlush() {}
  }

  /// What one program does with what has not been read yet, while others use what has.
  enum Work: String, CaseIterable, Sendable {
    case lookup, node, list, listWithStatus, read, readLink, attribute
    case create, makeDirectory, link, rename, unlink, truncate, setAttribute
    case commit, checkpoint
  }

  static let files = 300

  /// An image with a directory that will be known and some that will not.
  static func makeImage(_ scratch: Scratch) throws -> Image {
    let image = try Image(at: scratch.appending("image"), size: "256M", blockSize: 1024)
    try DirectoryFixture.withOpen(image) { fixture in
      for name in ["warm", "cold0", "cold1"] {
        let directory = try fixture.make(.directory, name)
        for index in 0..<files {
          try fixture.make(.regularFile, "file\(index)", in: directory)
        }
        try fixture.make(
          .symbolicLink([UInt8](repeating: 0x74, count: 200)), "link", in: directory)
        let fragmented = try fixture.make(.regularFile, "fragmented", in: directory)
        for block in 0..<40 {
          _ = try [UInt8](repeating: 1, count: 1024).withUnsafeBytes {
            try fragmented.write($0, at: UInt64(block) * 8192, options: [])
          }
        }
        let value = [UInt8](repeating: 1, count: 500)
        try value.withUnsafeBytes { value in
          try fragmented.setExtendedAttribute("user.large", to: value, .create) { _ in true }
        }
      }
    }
    return image
  }

  static func find(_ name: String, in directory: Inode, _ volume: Volume) throws -> Inode {
    try Array(name.utf8).withUnsafeBytes { try volume.lookup(try FileName($0), in: directory) }
  }

  static func perform(
    _ work: Work, in directory: Inode, coldInode: InodeNumber, _ volume: Volume
  ) throws {
    func node(_ content: NewNode.Content) -> NewNode {
      NewNode(content, permissions: 0o755, umask: 0, userID: 0, groupID: 0)
    }
    func withName(_ name: String, _ body: (FileName) throws(Ext4Error) -> Void) throws {
      try Array(name.utf8).withUnsafeBytes { try body(try FileName($0)) }
    }
    switch work {
    case .lookup: _ = try find("file250", in: directory, volume)
    case .node: _ = try volume.node(coldInode)
    case .list:
      var count = 0
      try volume.list(directory, from: 0) { _ in
        count += 1
        return true
      }
      #expect(count == files + 4)
    case .listWithStatus:
      var names: Set<[UInt8]> = []
      var failure: Ext4Error?
      try volume.list(directory, from: 0) { entry in
        failure = nil
        guard !entry.isSelfOrParent else { return true }
        guard names.count < 100 else { return false }
        do throws(Ext4Error) {
          _ = try entry.referencedStatus()
        } catch {
          failure = error
          return false
        }
        #expect(names.insert(Array(entry.name)).inserted, "listed twice")
        return true
      }
      if let failure { throw failure }
      #expect(names.count == 100)
    case .read:
      let file = try find("fragmented", in: directory, volume)
      var bytes = [UInt8](repeating: 0, count: 1024)
      _ = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 39 * 8192) }
      #expect(bytes[0] == 1)
    case .readLink:
      #expect(try find("link", in: directory, volume).linkTarget().count == 200)
    case .attribute:
      let file = try find("fragmented", in: directory, volume)
      #expect(try file.extendedAttribute("user.large").count == 500)
    case .create:
      try withName("new") { name throws(Ext4Error) in
        _ = try volume.create(node(.regularFile), named: name, in: directory)
      }
    case .makeDirectory:
      try withName("new") { name throws(Ext4Error) in
        _ = try volume.create(node(.directory), named: name, in: directory)
      }
    case .link:
      let file = try find("file7", in: directory, volume)
      try withName("new") { name throws(Ext4Error) in
        try volume.link(file, as: name, in: directory)
      }
    case .rename:
      let (old, new) = (Array("file9".utf8), Array("new".utf8))
      try old.withUnsafeBytes { old in
        try new.withUnsafeBytes { new in
          try volume.rename(
            try FileName(old), in: directory, to: try FileName(new), in: directory, flags: [],
            userID: 0, groupID: 0)
        }
      }
    case .unlink:
      try withName("file5") { name throws(Ext4Error) in try volume.unlink(name, in: directory) }
    case .truncate:
      var change = AttributeChange()
      change.size = 0
      try find("fragmented", in: directory, volume).apply(change)
    case .setAttribute:
      let file = try find("file6", in: directory, volume)
      try [UInt8(1)].withUnsafeBytes { value in
        try file.setExtendedAttribute("user.small", to: value, .create) { _ in true }
      }
    case .commit:
      try withName("changed") { name throws(Ext4Error) in
        _ = try volume.create(node(.regularFile), named: name, in: try volume.node(.root))
      }
      try volume.synchronize()
    case .checkpoint:
      try volume.checkpoint()
    }
  }

  /// Opens the volume of an image on `device`, with what threads do that would have to wait, and has `body` use it. Then the image must be sound.
  static func withVolume(
    of image: Image, on observer: Device, _ waits: WaitPolicy = WaitPolicy(),
    _ body: (Volume) throws -> Void
  ) throws {
    let file = try FileDescriptor.open(image.path, .readWrite)
    defer { try? file.close() }
    let device = BlockDevice(
      fileDescriptor: file.rawValue, byteOffset: 0,
      byteCount: try file.seek(offset: 0, from: .end), isWritable: true, observer: observer,
      waitPolicy: waits)
    let volume = try Volume.open(device, options: .init())
    _ = try volume.startWriting()
    try body(volume)
    try volume.close()
    try image.check()
  }

  /// A directory whose files have not been read, and an inode in another block of the inode table than all that has been read.
  static func findCold(_ volume: Volume) throws -> (directory: Inode, inode: InodeNumber) {
    let cold = try find("cold0", in: try volume.node(.root), volume)
    return (cold, InodeNumber(cold.number.rawValue + UInt32(files) + 40))
  }
}
