import Ext4
import Glibc
import Journal
import TestSupport

/// Work that is cut off: transactions wait in the log, with revoked blocks, and files without names on the list of orphans.
public enum Interruption {
  public static func leave(on disk: HostileDisk) throws {
    let volume = try Volume.open(disk.device(), options: Volume.Options())
    _ = try volume.startWriting()
    let root = try volume.node(.root)
    func create(_ name: String, _ content: NewNode.Content, in directory: Inode) throws -> Inode {
      let node = NewNode(content, permissions: 0o755, umask: 0, userID: 0, groupID: 0)
      var name = name
      return try name.withUTF8 {
        try volume.create(node, named: FileName(UnsafeRawBufferPointer($0)), in: directory)
      }
    }
    func unlink(_ name: String, in directory: Inode) throws {
      var name = name
      try name.withUTF8 {
        try volume.unlink(FileName(UnsafeRawBufferPointer($0)), in: directory)
      }
    }
    let data = [UInt8](repeating: 0x77, count: 3000)
    let directory = try create("made", .directory, in: root)
    for index in 0..<12 {
      let file = try create("file\(index)", .regularFile, in: directory)
      try data.withUnsafeBytes { _ = try file.write($0, at: 0, options: []) }
    }
    try volume.commit()
    // Blocks of a directory that is gone are revoked.
    let gone = try create("gone", .directory, in: root)
    try volume.commit()
    var name = "gone"
    try name.withUTF8 {
      try volume.removeDirectory(FileName(UnsafeRawBufferPointer($0)), in: root)
    }
    try volume.forget(gone.number, count: 1)
    // These are still referred to.
    for index in 0..<5 { try unlink("file\(index)", in: directory) }
    try volume.commit()
    // The process ends without closing: nothing more is written.
  }

  /// Makes a disk that `leave` was done to one with an empty log, and with files without names: the last on the list, the others in the
  /// orphan file.
  public static func leaveOrphans(on disk: HostileDisk) throws {
    try leave(on: disk)
    var options = Volume.Options()
    options.readOnly = true
    try Volume.open(disk.device(), options: options).close()
    let bytes = disk.bytes
    let geometry = Geometry(bytes)
    let base = Geometry.superblock
    let map = ImageMap(bytes)
    guard let file = map.objects.first(where: { $0.kind == .orphanFile }) else {
      throw Failure("there is no orphan file")
    }
    let first = bytes.little32(base + 0xE8)
    var next = UInt64(bytes.little32(geometry.inode(first, bytes) + 0x14))
    bytes.set(0, at: geometry.inode(first, bytes) + 0x14, size: 4)
    var entry = file.offset
    while next != 0 {
      bytes.set(next, at: entry, size: 4)
      entry += 4
      let inode = geometry.inode(Int(next), bytes)
      next = bytes.number(at: inode + 0x14, size: 4)
      bytes.set(0, at: inode + 0x14, size: 4)
    }
    // Orphans are present.
    bytes.set(
      geometry.readOnlyCompatible | 0x10000, at: base + 0x64, size: 4)
    ChecksumRepair.repair(bytes, ImageMap(bytes))
  }
}
