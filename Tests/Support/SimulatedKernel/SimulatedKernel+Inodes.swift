import Glibc
import SystemPackage

/// Inodes in the kernel's memory: how they come and go, and what replies say of them (ABI 4.10).
extension SimulatedKernel {
  /// What LOOKUP and the like answer.
  public struct Entry: Sendable, Equatable {
    public let node: UInt64
    public let generation: UInt64
    public let attributes: Attributes
  }

  /// `monitor` held. The root is there before INIT: it never is exclusive (2.3).
  func makeRoot() {
    let empty = [UInt8](repeating: 0, count: 88)
    var attributes = empty.read { Attributes($0, at: 0) }
    attributes.number = 2
    attributes.mode = 0o040755
    attributes.links = 2
    nodes[Self.root] = KernelInode(
      node: Self.root, generation: 0, attributes: attributes, flags: [], usesIomap: false,
      isExclusive: false, patience: configuration.deadline, report: reporter)
  }

  var reporter: @Sendable (String) -> Void {
    { [rules, weak self] what in
      rules.fail("\(what); \(self?.connection.outstanding ?? "")")
    }
  }

  /// The inode of a `struct fuse_entry_out`, which holds one more look-up.
  func instantiate(_ reply: [UInt8], at offset: Int = 0, isNew: Bool = false) throws(Errno)
    -> (KernelInode, Entry)
  {
    guard reply.count >= offset + 128 else {
      rules.fail("an entry of \(reply.count) bytes")
      throw .ioError
    }
    let entry = reply.read {
      Entry(
        node: $0.u64(offset), generation: $0.u64(offset + 8),
        attributes: Attributes($0, at: offset + 40))
    }
    guard entry.node != 0 else { throw .noSuchFileOrDirectory }
    judgeFlags(entry.attributes, of: entry.node)
    let (inode, isFresh) = monitor.withLock { () -> (KernelInode, Bool) in
      rules.exercise(.i13)
      if let known = nodes[entry.node] {
        known.monitor.withLock { known.lookups += 1 }
        return (known, false)
      }
      if let other = nodeOfNumber[entry.attributes.number], nodes[other] != nil {
        rules.violate(
          .i13, "inode \(entry.attributes.number) is node \(other) and node \(entry.node)")
      }
      let made = makeInode(entry)
      nodes[entry.node] = made
      nodeOfNumber[entry.attributes.number] = entry.node
      forgotten[entry.node] = nil
      monitor.broadcast()
      return (made, true)
    }
    if isFresh {
      let isIndirect = !oracle.hasExtents
      if isNew {
        ledger.created(inode, isIndirect: isIndirect)
      } else {
        ledger.appeared(inode, isIndirect: isIndirect)
      }
    } else {
      rules.check(
        .i13,
        inode.number == entry.attributes.number && inode.generation == entry.generation,
        "node \(entry.node) was inode \(inode.number).\(inode.generation), is"
          + " \(entry.attributes.number).\(entry.generation) now")
      judgeDecision(entry.attributes, inode)
      update(inode, entry.attributes, epoch: nil)
    }
    return (inode, entry)
  }

  /// `monitor` held.
  private func makeInode(_ entry: Entry) -> KernelInode {
    let attributes = entry.attributes
    let flags =
      session.usesIomap
      ? AttributeFlags(wire: attributes.flags, revision: configuration.revision) : []
    let honours = configuration.revision == .v6 || session.minor >= 99
    let isRegular = attributes.mode & 0o170000 == 0o100000
    let usesIomap = honours && isRegular && flags.contains(.iomap) && flags.contains(.exclusive)
    let inode = KernelInode(
      node: entry.node, generation: entry.generation, attributes: attributes,
      flags: flags, usesIomap: usesIomap, isExclusive: honours && flags.contains(.exclusive),
      patience: configuration.deadline, report: reporter)
    inode.lookups = 1
    return inode
  }

  // MARK: Attributes

  /// What is wrong with attr flags whatever the inode (I-3, I-7, I-8, I-10, I-12).
  private func judgeFlags(_ attributes: Attributes, of node: UInt64) {
    let wire = attributes.flags & ~3
    let (usesIomap, hasDevices) = monitor.withLock { (session.usesIomap, !devices.isEmpty) }
    let what = "node \(node): attr flags \(hex(attributes.flags))"
    if !offersIomap {
      rules.check(.i3, wire == 0, what)
      return
    }
    if configuration.unknownConfigBit { rules.check(.i7, wire == 0, what) }
    if !configuration.isBlockDevice { rules.check(.i10, wire == 0, what) }
    if configuration.backingOpenError != nil { rules.check(.i8, wire == 0, what) }
    guard usesIomap, hasDevices, !configuration.unknownConfigBit, node != Self.root else { return }
    let flags = AttributeFlags(wire: wire, revision: configuration.revision)
    let isRegular = attributes.mode & 0o170000 == 0o100000
    let hasAtomic = flags.contains(.atomic)
    switch configuration.revision {
    case .v7:
      rules.check(.i7, wire & ~0xff == 0 && (isRegular || flags.contains(.iomap)), what)
      rules.check(.i12, !flags.contains(.iomap) || flags.contains(.exclusive), what)
      rules.check(.i12, !hasAtomic || configuration.supportsAtomicWrites, "\(what): ATOMIC")
    case .v6:
      let isPlausible = wire & ~0x7f == 0 && (isRegular || flags.contains(.iomap))
      rules.check(.i7, isPlausible && (!hasAtomic || configuration.supportsAtomicWrites), what)
    }
    rules.check(.i12, !hasAtomic || flags.contains(.iomap), "\(what): ATOMIC without IOMAP")
  }

  /// I-11: as it was at the first time. The kernel itself ignores later ones.
  private func judgeDecision(_ attributes: Attributes, _ inode: KernelInode) {
    guard session.usesIomap, inode.node != Self.root else { return }
    let flags = AttributeFlags(wire: attributes.flags, revision: configuration.revision)
    let mask: AttributeFlags = [.iomap, .exclusive]
    rules.check(
      .i11, flags.intersection(mask) == inode.flags.intersection(mask),
      "node \(inode.node): attr flags \(hex(attributes.flags)), at first \(inode.flags.rawValue)")
  }

  /// A reply with attributes. `epoch` as it was when the request went out; nil: not known.
  func update(_ inode: KernelInode, _ attributes: Attributes, epoch: UInt64?) {
    inode.monitor.withLock {
      inode.mode = attributes.mode
      inode.links = attributes.links
      inode.uid = attributes.uid
      inode.gid = attributes.gid
      guard inode.usesIomap else {
        if inode.isRegular { inode.size = attributes.size }
        inode.times = KernelInode.Times(
          access: attributes.accessTime, modification: attributes.modificationTime,
          change: attributes.changeTime)
        return
      }
      guard let epoch, epoch == inode.sizeEpoch, inode.pendingEnds.isEmpty else { return }
      rules.check(
        .i15, attributes.size == inode.expectedDiskSize,
        "node \(inode.node): attr.size \(attributes.size), on disk \(inode.expectedDiskSize)")
      inode.diskSize = attributes.size
    }
  }

  /// Attributes as a reply to a request about a known node.
  func take(_ attributes: Attributes, for inode: KernelInode, epoch: UInt64?) {
    judgeFlags(attributes, of: inode.node)
    if inode.node != Self.root {
      rules.check(
        .i14, attributes.number == inode.number,
        "node \(inode.node): attr.ino \(attributes.number), was \(inode.number)")
      judgeDecision(attributes, inode)
    }
    update(inode, attributes, epoch: epoch)
  }

  func sizeEpoch(_ inode: KernelInode) -> UInt64 { inode.monitor.withLock { inode.sizeEpoch } }

  // MARK: The end of an inode

  /// The kernel forgets an inode that is not open, as memory pressure makes it do. False: it is in use.
  @discardableResult
  public func evict(_ node: UInt64) throws(Errno) -> Bool {
    guard node != Self.root else { return false }
    let inode = try inode(node)
    let isFree = inode.monitor.withLock { () -> Bool in
      guard inode.opens == 0, !inode.isEvicting else { return false }
      inode.isEvicting = true
      return true
    }
    guard isFree else { return false }
    waitForReleases(inode)
    if inode.usesIomap {
      if inode.monitor.withLock({ inode.links == 0 }) {
        // The pages are not needed any more: they need not be written back.
        waitForPages(inode, from: 0, to: .max)
      } else {
        try? writeBackAll(inode)
        try? flushTimes(inode)
      }
    }
    forget(inode)
    return true
  }

  /// A FORGET never overtakes them.
  private func waitForReleases(_ inode: KernelInode) {
    guard !connection.isOver else { return }
    let isDone = inode.monitor.withLock {
      inode.monitor.wait(until: Deadline(milliseconds: configuration.deadline)) {
        inode.releases == 0
      }
    }
    if !isDone { rules.fail("RELEASE of node \(inode.node) is not answered") }
  }

  /// Drops it from all tables and sends FORGET.
  private func forget(_ inode: KernelInode) {
    let (lookups, isDead) = monitor.withLock { () -> (UInt64, Bool) in
      nodes[inode.node] = nil
      if nodeOfNumber[inode.number] == inode.node { nodeOfNumber[inode.number] = nil }
      dirtyInodes[inode.node] = nil
      forgotten[inode.node] = Deadline(milliseconds: 1000)
      return inode.monitor.withLock {
        inode.cache = nil
        inode.pages = [:]
        return (inode.lookups, inode.links == 0)
      }
    }
    ledger.forgotten(inode.number, isDead: isDead)
    guard lookups > 0 else { return }
    var payload = MessageWriter()
    payload.append(lookups)
    _ = try? connection.submit(.forget, node: inode.node, payload.bytes, as: .kernel)
  }
}
