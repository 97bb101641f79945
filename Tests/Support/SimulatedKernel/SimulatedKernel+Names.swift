import Glibc
import SystemPackage

/// Names: look-ups, creation, removal. Nothing is cached; each look-up is a request.
extension SimulatedKernel {
  @discardableResult
  public func lookup(_ name: String, in parent: UInt64 = root) throws(Errno) -> Entry {
    var payload = MessageWriter()
    payload.append(name: name)
    let reply = try connection.request(.lookup, node: parent, payload.bytes)
    return try instantiate(reply).1
  }

  /// The node at a path from the root, such as "a/b".
  public func resolve(_ path: String) throws(Errno) -> UInt64 {
    var node = Self.root
    for name in path.split(separator: "/") { node = try lookup(String(name), in: node).node }
    return node
  }

  /// open(2) with O_CREAT. `mode` is masked by `umask` as the kernel or the server does it (4.10).
  public func create(
    _ name: String, in parent: UInt64 = root, mode: UInt32 = 0o644, umask: UInt32 = 0o022,
    isSynchronous: Bool = false, as caller: Caller = Caller()
  ) throws(Errno) -> OpenFile {
    let plan = try planCreation(in: parent, mode: mode, umask: umask, isDirectory: false)
    var payload = MessageWriter()
    payload.append(UInt32(bitPattern: O_RDWR | O_CREAT))
    payload.append(0o100000 | plan.mode)
    payload.append(plan.umask)
    payload.append(UInt32(0))
    payload.append(name: name)
    let reply = try connection.exchange(.create, node: parent, payload.bytes, as: caller)
    if Errno(rawValue: reply.error) == .noFunction {
      // The kernel then makes a node, and opens it.
      let entry = try mknod(name, in: parent, mode: 0o100000 | mode, umask: umask)
      return try open(entry.node, isSynchronous: isSynchronous)
    }
    guard reply.error == 0 else { throw Errno(rawValue: reply.error) }
    guard reply.payload.count == 144 else {
      rules.fail("CREATE: \(reply.payload.count) bytes")
      throw .ioError
    }
    let (inode, entry) = try instantiate(reply.payload, isNew: true)
    try finish(plan, entry)
    let (handle, flags) = reply.payload.read { ($0.u64(128), $0.u32(136)) }
    return try opened(inode, handle, flags, isSynchronous: isSynchronous)
  }

  @discardableResult
  public func mkdir(
    _ name: String, in parent: UInt64 = root, mode: UInt32 = 0o755, umask: UInt32 = 0o022,
    as caller: Caller = Caller()
  ) throws(Errno) -> Entry {
    let plan = try planCreation(in: parent, mode: mode, umask: umask, isDirectory: true)
    var payload = MessageWriter()
    payload.append(plan.mode)
    payload.append(plan.umask)
    payload.append(name: name)
    let reply = try connection.request(.mkdir, node: parent, payload.bytes, as: caller)
    let entry = try instantiate(reply, isNew: true).1
    try finish(plan, entry)
    return entry
  }

  /// A regular file or special file without opening it.
  @discardableResult
  public func mknod(
    _ name: String, in parent: UInt64 = root, mode: UInt32, device: UInt32 = 0,
    umask: UInt32 = 0o022
  ) throws(Errno) -> Entry {
    let plan = try planCreation(
      in: parent, mode: mode & 0o7777, umask: umask, isDirectory: false)
    var payload = MessageWriter()
    payload.append((mode & 0o170000) | plan.mode)
    payload.append(device)
    payload.append(plan.umask)
    payload.append(UInt32(0))
    payload.append(name: name)
    let reply = try connection.request(.mknod, node: parent, payload.bytes)
    let entry = try instantiate(reply, isNew: true).1
    try finish(plan, entry)
    return entry
  }

  @discardableResult
  public func symlink(_ name: String, in parent: UInt64 = root, to target: String) throws(Errno)
    -> Entry
  {
    var payload = MessageWriter()
    payload.append(name: name)
    payload.append(name: target)
    let reply = try connection.request(.symlink, node: parent, payload.bytes)
    return try instantiate(reply, isNew: true).1
  }

  public func readlink(_ node: UInt64) throws(Errno) -> String {
    String(decoding: try connection.request(.readlink, node: node), as: UTF8.self)
  }

  @discardableResult
  public func link(_ node: UInt64, as name: String, in parent: UInt64 = root) throws(Errno) -> Entry
  {
    var payload = MessageWriter()
    payload.append(node)
    payload.append(name: name)
    let reply = try connection.request(.link, node: parent, payload.bytes)
    let (inode, entry) = try instantiate(reply)
    rules.check(
      .i13, inode.node == node, "the new link of node \(node) is node \(entry.node)")
    return entry
  }

  /// The kernel forgets the inode when this was its last name and it is not open. The caller does that with `evict`.
  public func unlink(_ name: String, in parent: UInt64 = root) throws(Errno) {
    try remove(.unlink, name, parent)
  }

  public func rmdir(_ name: String, in parent: UInt64 = root) throws(Errno) {
    try remove(.rmdir, name, parent)
  }

  private func remove(_ opcode: Opcode, _ name: String, _ parent: UInt64) throws(Errno) {
    // The kernel has the dentry: a program looks up before it removes.
    let entry = try lookup(name, in: parent)
    var payload = MessageWriter()
    payload.append(name: name)
    _ = try connection.request(opcode, node: parent, payload.bytes)
    guard let inode = try? inode(entry.node) else { return }
    inode.monitor.withLock {
      inode.links = opcode == .rmdir ? 0 : inode.links - min(1, inode.links)
      if inode.links > 0 && inode.usesIomap {
        // fuse_entry_unlinked: the change time is the kernel's.
        inode.areTimesDirty = true
      }
    }
  }

  /// `flags` are RENAME_NOREPLACE (1) and RENAME_EXCHANGE (2).
  public func rename(
    _ name: String, in parent: UInt64 = root, to newName: String, in newParent: UInt64 = root,
    flags: UInt32 = 0
  ) throws(Errno) {
    let replaced = flags == 0 ? try? lookup(newName, in: newParent) : nil
    let moved = try lookup(name, in: parent)
    var payload = MessageWriter()
    payload.append(newParent)
    if flags != 0 {
      payload.append(flags)
      payload.append(UInt32(0))
    }
    payload.append(name: name)
    payload.append(name: newName)
    _ = try connection.request(flags == 0 ? .rename : .rename2, node: parent, payload.bytes)
    if let replaced, replaced.node != moved.node, let inode = try? inode(replaced.node) {
      inode.monitor.withLock {
        inode.links = inode.isDirectory ? 0 : inode.links - min(1, inode.links)
      }
    }
  }

  // MARK: Directories

  public struct DirectoryEntry: Sendable, Equatable {
    public let name: String
    public let number: UInt64
    /// DT_REG, DT_DIR, ...
    public let type: UInt32
    /// Nil for "." and "..".
    public let node: UInt64?
  }

  public func readdirplus(_ node: UInt64 = root) throws(Errno) -> [DirectoryEntry] {
    var open = MessageWriter()
    open.append(zeros: 8)
    let opened = try connection.exchange(.opendir, node: node, open.bytes)
    guard opened.error == 0 || opened.error == ENOSYS else { throw Errno(rawValue: opened.error) }
    let handle = opened.payload.count >= 8 ? opened.payload.read { $0.u64(0) } : 0
    var entries: [DirectoryEntry] = []
    var offset: UInt64 = 0
    while true {
      let reply = try connection.request(
        .readdirplus, node: node, encodeRead(handle: handle, offset, 32_768))
      if reply.isEmpty { break }
      offset = try take(records: reply, &entries)
    }
    if opened.error == 0 { try release(.releasedir, node, handle) }
    return entries
  }

  /// `struct fuse_direntplus` after another; the offset behind the last.
  private func take(records: [UInt8], _ entries: inout [DirectoryEntry]) throws(Errno) -> UInt64 {
    var place = 0
    var offset: UInt64 = 0
    while place + 152 <= records.count {
      let (number, next, length, type, node) = records.read {
        (
          $0.u64(place + 128), $0.u64(place + 136), Int($0.u32(place + 144)),
          $0.u32(place + 148), $0.u64(place)
        )
      }
      guard place + 152 + length <= records.count else { break }
      let name = String(decoding: records[(place + 152)..<(place + 152 + length)], as: UTF8.self)
      let isDot = name == "." || name == ".."
      if node != 0 && !isDot { _ = try instantiate(records, at: place) }
      entries.append(
        DirectoryEntry(
          name: name, number: number, type: type, node: isDot || node == 0 ? nil : node))
      offset = next
      place += (152 + length + 7) / 8 * 8
    }
    return offset
  }

  func release(_ opcode: Opcode, _ node: UInt64, _ handle: UInt64) throws(Errno) {
    var payload = MessageWriter()
    payload.append(handle)
    payload.append(zeros: 16)
    try connection.submitInBackground(opcode, node: node, payload.bytes)
  }
}
