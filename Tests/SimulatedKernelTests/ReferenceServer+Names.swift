import Foundation
import Glibc
import KernelDouble
import SystemPackage
import TestSupport

/// Names and attributes. `lock` is held.
extension ReferenceServer {
  // MARK: Attributes

  /// The bits of the kernel's revision.
  func attributeFlags(_ inode: ReferenceInode) -> UInt32 {
    if fault == .flagsWithoutOffer { return 0x0c }
    if !usesIomap { return 0 }
    if fault == .changesDecision && inode.isShown && inode.isRegular { return 0 }
    if isV7 {
      if fault == .iomapWithoutExclusive && inode.isRegular { return 0x08 }
      return 0x0c | (fault == .atomicInCache || supportsAtomic ? 0x10 : 0)
    }
    return 0x04 | (fault == .atomicInCache || supportsAtomic ? 0x08 : 0)
  }

  var supportsAtomic: Bool { kernel.configuration.supportsAtomicWrites }

  func put(_ inode: ReferenceInode, into writer: inout ByteWriter) {
    writer.put(inode.number)
    var size = inode.size
    if fault == .inflatedSize && inode.isRegular { size += 4096 }
    writer.put(size)
    writer.put(UInt64(inode.blocks.count) * options.blockSize / 512)
    for time in [inode.accessTime, inode.modificationTime, inode.changeTime] {
      writer.put(time.seconds)
    }
    for time in [inode.accessTime, inode.modificationTime, inode.changeTime] {
      writer.put(time.nanoseconds)
    }
    writer.put(inode.mode)
    writer.put(inode.links)
    writer.put(inode.uid)
    writer.put(inode.gid)
    writer.put(UInt32(0))
    writer.put(UInt32(options.blockSize))
    writer.put(attributeFlags(inode))
  }

  func entry(_ inode: ReferenceInode, isLink: Bool = false) -> [UInt8] {
    inode.lookups += 1
    var writer = ByteWriter()
    let other = fault == .twoNodes && isLink
    if other { inodes[inode.number]?.isShown = true }
    writer.put(other ? inode.number + 1_000_000 : node(of: inode))
    writer.put(inode.generation)
    writer.zeros(24)
    put(inode, into: &writer)
    if fault == .upsertsBeforeShown && !inode.isShown && inode.isRegular && usesIomap {
      _ = upsert(inode, ReferenceMapping(offset: 0, length: options.blockSize, type: 0))
    }
    if fault == .upsertsDirectories && inode.isDirectory && inode.isShown && usesIomap {
      _ = upsert(inode, ReferenceMapping(offset: 0, length: options.blockSize, type: 0))
    }
    inode.isShown = true
    return writer.bytes
  }

  func attributes(_ inode: ReferenceInode) -> [UInt8] {
    var writer = ByteWriter()
    writer.zeros(16)
    put(inode, into: &writer)
    return writer.bytes
  }

  func getattr(_ request: Request) throws -> [UInt8] { attributes(try inode(request)) }

  func statx(_ request: Request) throws -> [UInt8] {
    let inode = try inode(request)
    var writer = ByteWriter()
    writer.zeros(32)
    writer.put(UInt32(0x7ff))
    writer.put(UInt32(options.blockSize))
    writer.put(UInt64(0))
    writer.put(inode.links)
    writer.zeros(8)
    writer.put(UInt16(inode.mode))
    writer.put(UInt16(0))
    writer.put(inode.number)
    writer.put(inode.size)
    writer.zeros(288 - writer.bytes.count)
    return writer.bytes
  }

  // MARK: Names

  private func directory(_ request: Request) throws -> ReferenceInode {
    let inode = try inode(request)
    guard inode.isDirectory else { throw Refusal(ENOTDIR) }
    return inode
  }

  func lookup(_ request: Request) throws -> [UInt8] {
    let name = request.body.names(0)[0]
    guard let number = try directory(request).entries[name], let inode = inodes[number] else {
      throw Refusal(ENOENT)
    }
    return entry(inode)
  }

  func make(_ request: Request, _ name: String, mode: UInt32, umask: UInt32) throws
    -> ReferenceInode
  {
    let parent = try directory(request)
    guard parent.entries[name] == nil else { throw Refusal(EEXIST) }
    var mode = mode
    // In the root the kernel leaves default ACLs and the umask to us; elsewhere it does it all.
    let isOwnBusiness = parent.number == 2 || !usesIomap
    let list = parent.xattrs[SimulatedKernel.defaultACL].flatMap {
      SimulatedKernel.AccessControlEntries($0)
    }
    if isOwnBusiness {
      if let list {
        mode = mode & 0o170000 | Self.inherit(list, mode & 0o7777)
      } else {
        mode &= ~umask
      }
    }
    if fault == .appliesUmaskAgain { mode &= ~0o077 }
    let inode = ReferenceInode(number: nextNumber, generation: 1, mode: mode)
    nextNumber += 1
    inode.uid = request.uid
    if inode.isDirectory { inode.links = 2 }
    if isOwnBusiness, let bytes = parent.xattrs[SimulatedKernel.defaultACL] {
      if inode.isDirectory { inode.xattrs[SimulatedKernel.defaultACL] = bytes }
      inode.xattrs[SimulatedKernel.accessACL] = bytes
    }
    let now = InodeTruth.Time(seconds: 1_700_000_000, nanoseconds: 5)
    (inode.accessTime, inode.modificationTime, inode.changeTime) = (now, now, now)
    inodes[inode.number] = inode
    parent.entries[name] = inode.number
    inode.isDirty = true
    return inode
  }

  /// The mode of something made with `mode` below a default ACL.
  private static func inherit(_ list: SimulatedKernel.AccessControlEntries, _ mode: UInt32)
    -> UInt32
  {
    let hasMask = list.items.contains { $0.tag == 16 }
    var result: UInt32 = 0
    for item in list.items {
      switch item.tag {
      case 1: result |= (UInt32(item.permissions) & (mode >> 6)) << 6
      case 4 where !hasMask: result |= (UInt32(item.permissions) & (mode >> 3) & 7) << 3
      case 16: result |= (UInt32(item.permissions) & (mode >> 3) & 7) << 3
      case 32: result |= UInt32(item.permissions) & mode & 7
      default: break
      }
    }
    return result
  }

  func mknod(_ request: Request) throws -> [UInt8] {
    let name = request.body.names(16)[0]
    return entry(
      try make(request, name, mode: request.body.get(0), umask: request.body.get(8)))
  }

  func mkdir(_ request: Request) throws -> [UInt8] {
    let mode: UInt32 = request.body.get(0)
    let name = request.body.names(8)[0]
    return entry(try make(request, name, mode: mode | 0o040000, umask: request.body.get(4)))
  }

  func symlink(_ request: Request) throws -> [UInt8] {
    let names = request.body.names(0)
    let inode = try make(request, names[0], mode: 0o120777, umask: 0)
    inode.target = names[1]
    return entry(inode)
  }

  func create(_ request: Request) throws -> [UInt8] {
    let name = request.body.names(16)[0]
    let inode = try make(
      request, name, mode: request.body.get(4), umask: request.body.get(8))
    inode.opens += 1
    opened += 1
    return entry(inode) + openReply()
  }

  func link(_ request: Request) throws -> [UInt8] {
    let old: UInt64 = request.body.get(0)
    guard let inode = inodes[number(ofNode: old)] else { throw Refusal(ENOENT) }
    try directory(request).entries[request.body.names(8)[0]] = inode.number
    inode.links += 1
    return entry(inode, isLink: true)
  }

  func unlink(_ request: Request) throws -> [UInt8] {
    let name = request.body.names(0)[0]
    let parent = try directory(request)
    guard let number = parent.entries[name], let inode = inodes[number] else {
      throw Refusal(ENOENT)
    }
    if inode.isDirectory && !inode.entries.isEmpty { throw Refusal(ENOTEMPTY) }
    parent.entries[name] = nil
    drop(inode)
    return []
  }

  private func drop(_ inode: ReferenceInode) {
    inode.links = inode.isDirectory ? 0 : inode.links - 1
    reap(inode)
  }

  /// Gone when nothing refers to it any more.
  func reap(_ inode: ReferenceInode) {
    guard inode.links == 0, inode.lookups == 0, inode.opens == 0 else { return }
    for block in inode.blocks.values { release(block.device) }
    inodes[inode.number] = nil
  }

  func rename(_ request: Request, names: [String], flags: UInt32) throws -> [UInt8] {
    let parent = try directory(request)
    let target: UInt64 = request.body.get(0)
    guard let into = inodes[number(ofNode: target)] else { throw Refusal(ENOENT) }
    guard let moved = parent.entries[names[0]] else { throw Refusal(ENOENT) }
    let old = into.entries[names[1]]
    if flags & 1 != 0 && old != nil { throw Refusal(EEXIST) }
    parent.entries[names[0]] = flags & 2 != 0 ? old : nil
    into.entries[names[1]] = moved
    if flags & 2 == 0, let old, old != moved, let inode = inodes[old] { drop(inode) }
    return []
  }

  func readdirplus(_ request: Request) throws -> [UInt8] {
    let directory = try directory(request)
    let offset: UInt64 = request.body.get(8)
    var writer = ByteWriter()
    let sorted = directory.entries.sorted { $0.key < $1.key }
    for (index, item) in sorted.enumerated().dropFirst(Int(offset)) {
      guard let inode = inodes[item.value], writer.bytes.count < 30_000 else { break }
      writer.bytes += entry(inode)
      writer.put(inode.number)
      writer.put(UInt64(index + 1))
      writer.put(UInt32(item.key.utf8.count))
      writer.put(inode.mode >> 12)
      writer.bytes += Array(item.key.utf8)
      writer.zeros((8 - writer.bytes.count % 8) % 8)
    }
    return writer.bytes
  }

  func forget(_ request: Request) {
    guard let inode = inodes[number(ofNode: request.node)] else { return }
    let count: UInt64 = request.body.get(0)
    inode.lookups -= min(inode.lookups, count)
    if inode.lookups == 0 { inode.isShown = false }
    reap(inode)
  }

  // MARK: Open files

  func openReply() -> [UInt8] {
    var writer = ByteWriter()
    writer.put(UInt64(7))
    writer.put(UInt32(fault == .noKeepCache ? 0 : 2))
    writer.put(UInt32(0))
    return writer.bytes
  }

  func open(_ request: Request) throws -> [UInt8] {
    try inode(request).opens += 1
    opened += 1
    return openReply()
  }

  func release(_ request: Request) throws -> [UInt8] {
    let inode = try inode(request)
    inode.opens -= 1
    opened -= 1
    reap(inode)
    return []
  }

  // MARK: Extended attributes

  func setxattr(_ request: Request) throws -> [UInt8] {
    let count: UInt32 = request.body.get(0)
    let place = kernelSendsLongSetxattr ? 16 : 8
    let name = request.body.names(place)[0]
    let inode = try inode(request)
    inode.xattrs[name] = Array(request.body.bytes.suffix(Int(count)))
    if fault == .aclChangesMode && name == SimulatedKernel.accessACL { inode.mode &= ~0o070 }
    return []
  }

  /// SETXATTR_EXT is accepted with everything else that is offered.
  private var kernelSendsLongSetxattr: Bool { true }

  func getxattr(_ request: Request) throws -> [UInt8] {
    guard let value = try inode(request).xattrs[request.body.names(8)[0]] else {
      throw Refusal(ENODATA)
    }
    return value
  }

  func removexattr(_ request: Request) throws -> [UInt8] {
    guard try inode(request).xattrs.removeValue(forKey: request.body.names(0)[0]) != nil else {
      throw Refusal(ENODATA)
    }
    return []
  }
}
