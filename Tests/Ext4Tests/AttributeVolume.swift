import Glibc
import Journal
import TestSupport

import struct SystemPackage.Errno
import struct SystemPackage.FilePath

@testable import Ext4

/// An image opened without a mount, its inodes by number, for tests of extended attributes.
struct AttributeVolume {
  let volume: Volume

  /// Opens `image`, and closes it cleanly after `body`, also when that throws.
  static func with<R>(
    _ image: Image, options: Volume.Options = .init(), _ body: (AttributeVolume) throws -> R
  ) throws -> R {
    let descriptor = try Syscall.open(image.path, options.readOnly ? O_RDONLY : O_RDWR)
    defer { Glibc.close(descriptor) }
    let size = lseek(descriptor, 0, SEEK_END)
    let volume = try Volume.open(
      BlockDevice(
        fileDescriptor: descriptor, byteOffset: 0, byteCount: Int64(size),
        isWritable: !options.readOnly),
      options: options)
    _ = try volume.startWriting()
    let result = Swift.Result { try body(AttributeVolume(volume: volume)) }
    try volume.close()
    return try result.get()
  }

  func inode(_ number: UInt32) throws -> Inode {
    try volume.metadata.withLock { () throws(Ext4Error) in try volume.inode(InodeNumber(number)) }
  }

  /// Calls `body` with the lock held that all of the tested functions want. Returns the error that callers see.
  func errno(_ body: () throws(Ext4Error) -> Void) -> Errno? {
    volume.metadata.withLock {
      do throws(Ext4Error) {
        try body()
        return nil
      } catch {
        return error.errno
      }
    }
  }

  func value(_ name: String, of inode: Inode) throws -> [UInt8] {
    try volume.metadata.withLock { () throws(Ext4Error) in try inode.attribute(named: name) }
  }

  func set(
    _ name: String, of inode: Inode, to value: [UInt8],
    _ mode: Inode.AttributeMode = .createOrReplace
  ) -> Errno? {
    value.withUnsafeBytes { bytes in
      errno { () throws(Ext4Error) in try inode.setAttribute(named: name, to: bytes, mode) }
    }
  }

  func remove(_ name: String, of inode: Inode) -> Errno? {
    errno { () throws(Ext4Error) in try inode.removeAttribute(named: name) }
  }

  func names(of inode: Inode) throws -> [String] {
    let list = try volume.metadata.withLock { () throws(Ext4Error) in try inode.attributeNames() }
    return list.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }.sorted()
  }

  /// All attributes, values as the disk or, for ACLs, getxattr(2) has them.
  func attributes(of inode: Inode) throws -> [String: [UInt8]] {
    try Dictionary(
      uniqueKeysWithValues: names(of: inode).map { ($0, try value($0, of: inode)) })
  }
}

extension Image {
  /// The inode numbers of the root directory's entries.
  func rootInodes() throws -> [String: UInt32] {
    var found: [String: UInt32] = [:]
    for line in try debugfs("ls -p /").split(separator: "\n") {
      // /12/100644/0/0/name/size/
      let fields = line.split(separator: "/", omittingEmptySubsequences: false)
      guard fields.count > 5, let number = UInt32(fields[1]) else { continue }
      found[String(fields[5])] = number
    }
    return found
  }
}

extension KernelMount {
  /// What the kernel says of the attributes of a file.
  static func attributes(of path: FilePath) throws -> [String: [UInt8]] {
    try Dictionary(
      uniqueKeysWithValues: Syscall.xattrNames(path).map { ($0, try Syscall.xattr(path, $0)) })
  }
}
