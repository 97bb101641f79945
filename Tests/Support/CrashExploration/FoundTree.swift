import Ext4
import Glibc
import TestSupport

import struct SystemPackage.Errno
import struct SystemPackage.FilePath

/// What a walk through a file system shows.
public struct FoundTree: Sendable {
  var entries: [String: TreeEntry] = [:]
  var contents: [String: [UInt8]] = [:]
  /// The blocks of each file that are stored, where that was asked for.
  var stored: [String: Set<Int>] = [:]

  /// Walks through a volume.
  init(_ volume: Volume, withBlocks: Bool = false) throws {
    var pending: [(path: String, number: InodeNumber)] = [("", .root)]
    while let (path, number) = pending.popLast() {
      let inode = try volume.node(number)
      let status = inode.status()
      try add(inode, status, at: path)
      if withBlocks, inode.isRegularFile, !status.flags.contains(.inlineData) {
        stored[path] = try Self.storedBlocks(of: inode, status)
      }
      guard inode.isDirectory else { continue }
      for name in try volume.names(in: inode) {
        let child = try volume.find(name, in: inode)
        pending.append((path.isEmpty ? name : "\(path)/\(name)", child.number))
      }
    }
    noteFirstNames()
    for entry in entries.values where entry.id != Int(InodeNumber.root.rawValue) {
      // One for each name.
      try volume.forget(InodeNumber(UInt32(entry.id)), count: 1)
    }
  }

  private mutating func add(_ inode: Inode, _ status: FileStatus, at path: String) throws {
    let kind: ModelTree.Kind =
      switch inode.fileType {
      case .directory: .directory
      case .symbolicLink: .symbolicLink(try inode.linkTarget())
      case .fifo: .fifo
      default: .regular
      }
    var attributes: [String: [UInt8]] = [:]
    for name in try inode.extendedAttributeNames(toPrivileged: true).split(separator: 0) {
      let name = String(decoding: name, as: UTF8.self)
      attributes[name] = try inode.extendedAttribute(name)
    }
    let size = kind == .regular ? Int(status.size) : 0
    entries[path] = TreeEntry(
      id: Int(inode.number.rawValue), kind: kind, mode: status.mode & 0o7777,
      links: Int(status.linkCount), size: size, attributes: attributes)
    guard kind == .regular else { return }
    var bytes = [UInt8](repeating: 0xEE, count: size)
    let count = try bytes.withUnsafeMutableBytes { try inode.read(into: $0, at: 0) }
    guard count == size else { throw Failure("/\(path): \(count) bytes of \(size) can be read") }
    contents[path] = bytes
  }

  private static func storedBlocks(of inode: Inode, _ status: FileStatus) throws -> Set<Int> {
    var blocks: Set<Int> = []
    let blockSize = UInt64(status.blockSize)
    var position: UInt64 = 0
    do throws(Ext4Error) {
      while position < status.size {
        let start = try inode.seek(from: position, toData: true)
        let end = try inode.seek(from: start, toData: false)
        blocks.formUnion(Int(start / blockSize)..<Int((end + blockSize - 1) / blockSize))
        position = end
      }
    } catch {
      guard error.errno == .noSuchAddressOrDevice else { throw error }
    }
    return blocks
  }

  /// Walks through a directory of a mounted file system.
  init(mountedAt root: FilePath) throws {
    var pending = [""]
    while let path = pending.popLast() {
      let place = path.isEmpty ? root : root.appending(path)
      let status = try Syscall.lstat(place)
      let kind: ModelTree.Kind =
        switch status.st_mode & S_IFMT {
        case S_IFDIR: .directory
        case S_IFLNK: .symbolicLink(try Syscall.readlink(place))
        case S_IFIFO: .fifo
        default: .regular
        }
      var attributes: [String: [UInt8]] = [:]
      for name in try Syscall.xattrNames(place) {
        attributes[name] = try Syscall.xattr(place, name)
      }
      entries[path] = TreeEntry(
        id: Int(status.st_ino), kind: kind, mode: UInt16(status.st_mode & 0o7777),
        links: Int(status.st_nlink), size: kind == .regular ? Int(status.st_size) : 0,
        attributes: attributes)
      if kind == .regular {
        contents[path] = try Syscall.withOpen(place, O_RDONLY) { (file) throws(Errno) in
          try Syscall.read(file, count: Int(status.st_size), at: 0)
        }
      }
      guard kind == .directory else { continue }
      for name in try Syscall.names(place) {
        let name = String(decoding: name, as: UTF8.self)
        pending.append(path.isEmpty ? name : "\(path)/\(name)")
      }
    }
    noteFirstNames()
  }

  private mutating func noteFirstNames() {
    var first: [Int: String] = [:]
    for (path, entry) in entries where entry.links > 1 && entry.kind != .directory {
      first[entry.id] = min(first[entry.id] ?? path, path)
    }
    guard !first.isEmpty else { return }
    for (path, entry) in entries {
      if let name = first[entry.id] { entries[path]?.firstName = name }
    }
  }

  /// Where this differs from the tree that another implementation found, in a few lines.
  func differences(from other: FoundTree) -> [String] {
    let names = entries.differences(from: other.entries)
    guard names.isEmpty else { return names }
    return contents.keys.sorted().filter { contents[$0] != other.contents[$0] }.map {
      "/\($0) has other contents"
    }
  }
}

extension Volume {
  /// The names in a directory, but for "." and "..".
  func names(in directory: Inode) throws -> [String] {
    var names: [String] = []
    try list(directory, from: 0) { entry in
      if !entry.isSelfOrParent { names.append(String(decoding: entry.name, as: UTF8.self)) }
      return true
    }
    return names
  }

  /// The inode that `name` stands for, referred to once more.
  func find(_ name: String, in directory: Inode) throws -> Inode {
    try withName(name) { name in try lookup(name, in: directory) }
  }

  func withName<R>(_ name: String, _ body: (FileName) throws -> R) throws -> R {
    try Array(name.utf8).withUnsafeBytes { try body(try FileName($0)) }
  }
}
