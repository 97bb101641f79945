import Glibc
import Journal
import TestSupport

import struct SystemPackage.FileDescriptor

@testable import Ext4

/// A file system opened for a test that changes its directories.
struct DirectoryFixture {
  let volume: Volume

  /// Names hash alike in every run.
  private static let hashSeed = "6d0c1f5e-3f0a-4c55-9d7e-0c8a4b1f2e3d"

  /// Makes an image, runs the command `setUp` with its path as the last argument, opens it for `body`, and
  /// has e2fsck check it.
  static func with(
    size: String = "64M", features: [String] = [], blockSize: Int = 4096,
    options: [String] = [], setUp: [String] = [], cacheSizes: CacheSizes = .standard,
    _ body: (DirectoryFixture) throws -> Void
  ) throws {
    try Scratch.with { scratch in
      let image = try Image(
        at: scratch.appending("image"), size: size, features: features, blockSize: blockSize,
        options: options + ["-E", "hash_seed=\(hashSeed)"])
      if !setUp.isEmpty { try Command(setUp + [image.path.string]).succeed() }
      try withOpen(image, cacheSizes: cacheSizes, body)
    }
  }

  /// Opens the image for `body`, and has e2fsck check it after.
  static func withOpen(
    _ image: Image, cacheSizes: CacheSizes = .standard, _ body: (DirectoryFixture) throws -> Void
  ) throws {
    try open(image, cacheSizes: cacheSizes) { fixture in
      try body(fixture)
      try fixture.volume.close()
    }
    try image.check()
  }

  /// Opens the image for `body`, which closes the volume or discards it.
  static func open(
    _ image: Image, cacheSizes: CacheSizes = .standard,
    observer: (any BlockDeviceObserver)? = nil, _ body: (DirectoryFixture) throws -> Void
  ) throws {
    let file = try FileDescriptor.open(image.path, .readWrite)
    defer { try? file.close() }
    let device = BlockDevice(
      fileDescriptor: file.rawValue, byteOffset: 0,
      byteCount: try file.seek(offset: 0, from: .end), isWritable: true, observer: observer)
    var options = Volume.Options()
    options.cacheSizes = cacheSizes
    let volume = try Volume.open(device, options: options)
    _ = try volume.startWriting()
    try body(DirectoryFixture(volume: volume))
  }

  var root: Inode {
    get throws { try locked { () throws(Ext4Error) in try volume.inode(.root) } }
  }

  func locked<R>(_ body: () throws(Ext4Error) -> R) throws(Ext4Error) -> R {
    try volume.change(body)
  }

  @discardableResult
  func make(_ content: NewNode.Content, _ name: String, in directory: Inode? = nil) throws -> Inode
  {
    let node = NewNode(content, permissions: 0o755, umask: 0, userID: 0, groupID: 0)
    let parent = try directory ?? root
    return try withName(name) { name throws(Ext4Error) in
      try volume.create(node, named: name, in: parent)
    }
  }

  /// A directory in the root.
  func open(_ name: String) throws -> Inode {
    try withName(name) { name throws(Ext4Error) in
      try volume.lookup(name, in: volume.node(.root))
    }
  }

  func unlink(_ name: String, in directory: Inode) throws(Ext4Error) {
    try withName(name) { name throws(Ext4Error) in try volume.unlink(name, in: directory) }
  }

  func insert(_ name: String, _ inode: Inode, in directory: Inode) throws(Ext4Error) {
    try withName(name) { name throws(Ext4Error) in
      try locked { () throws(Ext4Error) in
        try directory.insertEntry(name, inode.number, type: inode.fileType ?? .regular)
      }
    }
  }

  func replace(_ name: String, _ inode: Inode, in directory: Inode) throws(Ext4Error) {
    try withName(name) { name throws(Ext4Error) in
      try locked { () throws(Ext4Error) in
        try directory.replaceEntry(name, with: inode.number, type: inode.fileType ?? .regular)
      }
    }
  }

  func remove(_ name: String, from directory: Inode) throws(Ext4Error) {
    try withName(name) { name throws(Ext4Error) in
      try locked { () throws(Ext4Error) in try directory.removeEntry(name) }
    }
  }

  func lookup(_ name: String, in directory: Inode) throws(Ext4Error) -> DirectoryEntry? {
    try withName(name) { name throws(Ext4Error) in
      try locked { () throws(Ext4Error) in try directory.lookup(name) }
    }
  }

  func isEmpty(_ directory: Inode) throws(Ext4Error) -> Bool {
    try locked { () throws(Ext4Error) in try directory.isEmptyDirectory() }
  }

  /// Sets the link count of a file whose names were changed without it.
  func setLinkCount(of inode: Inode, to count: Int) throws {
    try locked { () throws(Ext4Error) in
      inode.linkCount = UInt16(count)
      try inode.store()
    }
  }

  struct Listed: Equatable {
    let inode: InodeNumber
    let type: FileType?
  }

  /// Up to `limit` entries from `cookie` on; `cookie` becomes where to go on.
  func list(
    _ directory: Inode, from cookie: inout UInt64, limit: Int = .max
  ) throws(Ext4Error) -> [(String, Listed)] {
    var found: [(String, Listed)] = []
    var reached = cookie
    try locked { () throws(Ext4Error) in
      try directory.forEachEntry(from: cookie) { name, inode, type, next in
        guard found.count < limit else { return false }
        found.append((String(decoding: name, as: UTF8.self), Listed(inode: inode, type: type)))
        reached = next
        return true
      }
    }
    cookie = reached
    return found
  }

  /// All names but "." and "..", asked for `step` at a time.
  func names(in directory: Inode, step: Int = 100) throws -> [String: Listed] {
    var names: [String: Listed] = [:]
    var cookie: UInt64 = 0
    while true {
      let before = cookie
      let found = try list(directory, from: &cookie, limit: step)
      if found.isEmpty { break }
      guard cookie > before else { throw Failure("the cookie \(before) leads nowhere") }
      for (name, entry) in found {
        guard names.updateValue(entry, forKey: name) == nil else {
          throw Failure("\(name) is listed twice")
        }
      }
    }
    guard names.removeValue(forKey: ".")?.inode == directory.number,
      names.removeValue(forKey: "..") != nil
    else { throw Failure("no . or no ..") }
    return names
  }

  /// How many nodes are between the directory and its leaves; 0 without an index.
  func indexDepth(of directory: Inode) throws(Ext4Error) -> Int {
    try locked { () throws(Ext4Error) in
      guard directory.usesIndex, let tree = try HashTree(of: directory) else { return 0 }
      return tree.depth
    }
  }

  func blockCount(of directory: Inode) throws(Ext4Error) -> Int {
    try locked { () throws(Ext4Error) in Int(try directory.directoryBlockCount()) }
  }
}

func withName<R>(
  _ name: String, _ body: (FileName) throws(Ext4Error) -> R
) throws(Ext4Error) -> R {
  let bytes = Array(name.utf8)
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
  defer { copy.deallocate() }
  copy.copyBytes(from: bytes)
  return try body(FileName(UnsafeRawBufferPointer(copy)))
}
