import Glibc
import SystemPackage

/// Extended attributes, and the ACLs that the kernel handles itself in exclusive directories (4.10).
extension SimulatedKernel {
  public static let accessACL = "system.posix_acl_access"
  public static let defaultACL = "system.posix_acl_default"

  public func setXattr(
    _ node: UInt64, _ name: String, _ value: [UInt8], flags: UInt32 = 0
  ) throws(Errno) {
    let inode = try inode(node)
    let mode = inode.monitor.withLock { inode.mode }
    var payload = MessageWriter()
    payload.append(UInt32(value.count))
    payload.append(flags)
    if monitor.withLock({ session.hasLongSetxattr }) { payload.append(zeros: 8) }
    payload.append(name: name)
    payload.append(raw: value)
    _ = try connection.request(.setxattr, node: node, payload.bytes)
    let isACL = name == Self.accessACL || name == Self.defaultACL
    guard isACL, monitor.withLock({ session.usesIomap }), inode.isExclusive else { return }
    let attributes = try getattr(node)
    rules.check(
      .i21, attributes.mode == mode,
      "SETXATTR \(name) of node \(node) made mode \(String(mode, radix: 8)) into"
        + " \(String(attributes.mode, radix: 8))")
  }

  public func xattr(_ node: UInt64, _ name: String) throws(Errno) -> [UInt8] {
    var payload = MessageWriter()
    payload.append(UInt32(65_536))
    payload.append(UInt32(0))
    payload.append(name: name)
    return try connection.request(.getxattr, node: node, payload.bytes)
  }

  public func xattrNames(_ node: UInt64) throws(Errno) -> [String] {
    var payload = MessageWriter()
    payload.append(UInt32(65_536))
    payload.append(UInt32(0))
    let reply = try connection.request(.listxattr, node: node, payload.bytes)
    return reply.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }

  public func removeXattr(_ node: UInt64, _ name: String) throws(Errno) {
    var payload = MessageWriter()
    payload.append(name: name)
    let reply = try connection.exchange(.removexattr, node: node, payload.bytes)
    if name == Self.accessACL || name == Self.defaultACL {
      rules.check(
        .i21, reply.error == 0 || reply.error == ENODATA,
        "REMOVEXATTR \(name) of node \(node): errno \(reply.error)")
      if reply.error == ENODATA { return }
    }
    guard reply.error == 0 else { throw Errno(rawValue: reply.error) }
  }

  /// setfacl(1): the access ACL and the mode bits that are part of it.
  public func setAccessACL(_ node: UInt64, _ list: AccessControlEntries) throws(Errno) {
    let inode = try inode(node)
    let mode = inode.monitor.withLock { inode.mode } & 0o7777
    let newMode = list.mode(replacing: mode)
    // Equal to mode bits: folded into them (1.1).
    if list.isMinimal {
      try chmod(node, newMode)
      try removeXattr(node, Self.accessACL)
    } else {
      try chmod(node, newMode)
      try setXattr(node, Self.accessACL, list.encoded)
    }
  }

  // MARK: Creation

  /// How an inode is to be made, and what the kernel sets afterwards.
  struct CreationPlan {
    var mode: UInt32
    var umask: UInt32
    /// The mode that must come out; nil: the server decides.
    var expected: UInt32?
    var access: AccessControlEntries?
    var inherited: [UInt8]?
  }

  func planCreation(
    in parent: UInt64, mode: UInt32, umask: UInt32, isDirectory: Bool
  ) throws(Errno) -> CreationPlan {
    let directory = try inode(parent)
    let (hasACL, doesNotMask, usesIomap) = monitor.withLock {
      (session.hasPosixACL, session.doesNotMask, session.usesIomap)
    }
    let list = hasACL ? try? xattr(parent, Self.defaultACL) : nil
    guard usesIomap && directory.isExclusive else {
      // The root and plain FUSE: the kernel applies the umask unless it has been told not to.
      let masked = doesNotMask ? mode : mode & ~umask
      let isPredictable = list == nil && usesIomap
      return CreationPlan(
        mode: masked, umask: umask, expected: isPredictable ? mode & ~umask : nil)
    }
    guard let list, let entries = AccessControlEntries(list) else {
      return CreationPlan(mode: mode & ~umask, umask: umask, expected: mode & ~umask)
    }
    let (access, result) = entries.inherited(by: mode)
    return CreationPlan(
      mode: result, umask: umask, expected: result, access: access.isMinimal ? nil : access,
      inherited: isDirectory ? list : nil)
  }

  /// Judges what was made, and writes the inherited ACLs.
  func finish(_ plan: CreationPlan, _ entry: Entry) throws(Errno) {
    if let expected = plan.expected {
      // Set-group-id comes from the parent.
      let mode = entry.attributes.mode & 0o7777 & ~0o2000
      rules.check(
        .i20, mode == expected & ~0o2000,
        "node \(entry.node) was to have mode \(String(expected, radix: 8)), has"
          + " \(String(mode, radix: 8))")
    }
    guard monitor.withLock({ session.usesIomap }) else { return }
    if let inherited = plan.inherited { try setXattr(entry.node, Self.defaultACL, inherited) }
    if let access = plan.access { try setXattr(entry.node, Self.accessACL, access.encoded) }
  }
}

extension SimulatedKernel {
  /// An ACL as its xattr holds it: version 2, then tag, permissions, id.
  public struct AccessControlEntries: Sendable, Equatable {
    public struct Item: Sendable, Equatable {
      public var tag: UInt16
      public var permissions: UInt16
      public var id: UInt32

      public init(tag: UInt16, permissions: UInt16, id: UInt32 = .max) {
        self.tag = tag
        self.permissions = permissions
        self.id = id
      }
    }

    public var items: [Item]

    static let (userObject, user, groupObject, group, mask, other):
      (
        UInt16, UInt16, UInt16, UInt16, UInt16, UInt16
      ) = (1, 2, 4, 8, 16, 32)

    /// Owner, one named user, owning group, mask, others.
    public init(
      owner: UInt16, user: UInt32, _ permissions: UInt16, group: UInt16, mask: UInt16, other: UInt16
    ) {
      items = [
        Item(tag: Self.userObject, permissions: owner),
        Item(tag: Self.user, permissions: permissions, id: user),
        Item(tag: Self.groupObject, permissions: group), Item(tag: Self.mask, permissions: mask),
        Item(tag: Self.other, permissions: other),
      ]
    }

    public init?(_ bytes: [UInt8]) {
      guard bytes.count >= 4, (bytes.count - 4) % 8 == 0, bytes.read({ $0.u32(0) }) == 2 else {
        return nil
      }
      items = stride(from: 4, to: bytes.count, by: 8).map { place in
        bytes.read {
          Item(tag: $0.u16(place), permissions: $0.u16(place + 2), id: $0.u32(place + 4))
        }
      }
    }

    public var encoded: [UInt8] {
      var writer = MessageWriter()
      writer.append(UInt32(2))
      for item in items {
        writer.append(item.tag)
        writer.append(item.permissions)
        writer.append(item.id)
      }
      return writer.bytes
    }

    /// Nothing but what a mode can say.
    var isMinimal: Bool { items.allSatisfy { [1, 4, 32].contains($0.tag) } }

    private func permissions(_ tag: UInt16) -> UInt32? {
      items.first { $0.tag == tag }.map { UInt32($0.permissions) }
    }

    /// The mode that belongs to this access ACL.
    func mode(replacing mode: UInt32) -> UInt32 {
      let owner = permissions(Self.userObject) ?? 0
      let middle = permissions(Self.mask) ?? permissions(Self.groupObject) ?? 0
      return mode & 0o7000 | owner << 6 | middle << 3 | (permissions(Self.other) ?? 0)
    }

    /// posix_acl_create: the access ACL and the mode of something made with `mode` where this is the
    /// default ACL.
    func inherited(by mode: UInt32) -> (AccessControlEntries, UInt32) {
      var result = self
      let middle = items.contains { $0.tag == Self.mask } ? Self.mask : Self.groupObject
      let shifts: [UInt16: UInt32] = [Self.userObject: 6, middle: 3, Self.other: 0]
      for index in result.items.indices {
        guard let shift = shifts[result.items[index].tag] else { continue }
        result.items[index].permissions &= UInt16(mode >> shift & 7)
      }
      return (result, result.mode(replacing: mode))
    }
  }
}
