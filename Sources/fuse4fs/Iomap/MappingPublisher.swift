import Ext4
import FuseServer
import IomapCache
import Synchronization
import SystemPackage

/// Pushes mappings into the kernel's cache, and decides how many.
///
/// Called with the file's mapping lock held, so that nothing that it sends is out of date when it arrives.
final class MappingPublisher: Sendable {
  let notifier: IomapNotifier
  private let channel: any KernelChannel
  private let device: DeviceCookie
  private let statistics: IomapStatistics
  /// Mappings are pushed before they are asked for, and kept for reads.
  private let pushesAhead: Bool
  /// The most mappings that the kernel keeps of a file: with one more it drops them all.
  private let recordsPerFile: Int
  private let isStopped = Atomic<Bool>(false)
  /// The file system has become read-only: a mapping in the kernel's cache would let it write.
  private let isWithdrawn = Atomic<Bool>(false)
  /// Mappings that the kernel may hold, of all files together.
  private let total = Atomic<Int>(0)

  /// The largest limit for the mappings of a file that a kernel accepts, in bytes: 65,536 mappings (fuse-iomap ABI 5.7).
  static let largestCache: UInt32 = 2 << 20
  /// Mappings in the kernel's memory, 32 bytes each, beyond which files lose theirs.
  private static let totalLimit = 1 << 20

  init(
    _ kernel: IomapConnection, device: DeviceCookie, statistics: IomapStatistics, pushesAhead: Bool
  ) {
    notifier = kernel.notifier
    channel = kernel.channel
    self.device = device
    self.statistics = statistics
    self.pushesAhead = pushesAhead
    // Kernels with a limit are asked for the largest; for those without, it is as much as is sensible.
    recordsPerFile = Int(Self.largestCache) / 32
  }

  /// Nothing is sent from now on.
  func stop() { isStopped.store(true, ordering: .releasing) }

  /// No mapping is pushed from now on.
  func withdraw() { isWithdrawn.store(true, ordering: .releasing) }

  /// Whether the kernel may be told what to remember.
  private var isActive: Bool {
    !isStopped.load(ordering: .acquiring) && !isWithdrawn.load(ordering: .acquiring)
  }

  // MARK: Answers

  /// The answer to a question about what `window` shows, after the kernel has been told of it and of what lies behind.
  func answer(
    _ request: IomapWire.BeginRequest, with window: MappingWindow, of inode: Inode, blockSize: Int
  ) throws(Ext4Error) -> MappingPair {
    let operation = request.operation
    var first = stamped(window.first)
    if operation.contains(.swapFile), !first.kind.hasBlocks { throw .errno(.invalidArgument) }
    if operation.contains(.overwriteOnly), first.kind != .mapped {
      throw .errno(.resourceTemporarilyUnavailable)
    }
    // Walks over all of a file must not push out what is in use. The kernel mixes what it is told with what it has cached
    // and reports both whole, so that an answer must not reach back over what it has asked before.
    if !operation.isDisjoint(with: [.report, .swapFile]) {
      let start = request.position & ~(UInt64(blockSize) - 1)
      return .pureOverwrite(first.clipped(from: FileOffset(start), to: first.end))
    }
    if operation.contains(.atomic) {
      guard first.kind.hasBlocks, first.end.rawValue - request.position >= request.count else {
        throw .errno(.invalidArgument)
      }
      first.flags.insert(.atomicBIO)
      return .pureOverwrite(first)
    }
    if first.kind == .inline { return .pureOverwrite(first) }
    // A mapping that is taken from the cache is looked up again when it has become stale. It must be, where writeback may
    // come between (fuse-iomap ABI 5.6); elsewhere the answer itself is good, and saves looking.
    let mustLookUp =
      operation.isWriteClass && operation.isDisjoint(with: .direct) || operation.contains(.fault)
    guard mustLookUp || pushesAhead else { return .pureOverwrite(first) }
    guard try push(window, of: inode) else {
      // What the kernel has of this may be a hole that is none any more.
      if first.kind.hasBlocks { forget(inode, from: first.offset, length: first.length) }
      return .pureOverwrite(Self.clipped(first, to: request, blockSize))
    }
    return mustLookUp ? .retryCache(covering: first) : .pureOverwrite(first)
  }

  /// As little as possible of a mapping that the kernel cannot be told to forget.
  private static func clipped(
    _ mapping: Mapping, to request: IomapWire.BeginRequest, _ blockSize: Int
  ) -> Mapping {
    let mask = UInt64(blockSize) - 1
    let start = request.position & ~mask
    let (end, overflow) = request.position.addingReportingOverflow(max(request.count, 1))
    let stop = overflow || end > .max - mask ? mapping.end.rawValue : (end + mask) & ~mask
    return mapping.clipped(from: FileOffset(start), to: FileOffset(stop))
  }

  private func stamped(_ mapping: Mapping) -> Mapping {
    var mapping = mapping
    if mapping.kind.hasBlocks { mapping.device = device } else { mapping.address = .null }
    return mapping
  }

  // MARK: Pushing

  /// True where pushing may save a question.
  func wants(_ inode: Inode) -> Bool {
    pushesAhead && isActive && !inode.published.withLock { $0.isWhole }
  }

  /// True where the kernel may have dropped the few mappings that the file has, with pages that it has written back.
  func mayHaveLost(_ inode: Inode) -> Bool {
    pushesAhead && isActive
      && inode.published.withLock { $0.isWhole && $0.count <= Self.fewMappings }
  }

  private static let fewMappings = 16

  /// The kernel has asked. Returns false when it does not have the mapping that it asked for.
  private func push(_ window: MappingWindow, of inode: Inode) throws(Ext4Error) -> Bool {
    guard isActive else { return false }
    // What lies behind blocks that were missing until now the kernel has not asked for, and may have.
    let limit =
      window.isNew || !pushesAhead
      ? 1
      : inode.published.withLock {
        $0.question(at: window.first.offset)
      }
    return try push(window, of: inode, limit: min(limit, recordsPerFile)) > 0
  }

  /// The kernel has not asked yet. `window` begins at the beginning of the file.
  func pushUnasked(_ window: MappingWindow, of inode: Inode) throws(Ext4Error) {
    guard isActive else { return }
    let limit = inode.published.withLock { $0.unaskedWindow }
    _ = try push(window, of: inode, limit: min(limit, recordsPerFile))
  }

  /// Pushes `window.first` and what lies behind it, `limit` mappings in all. Returns how many the kernel has taken.
  private func push(
    _ window: MappingWindow, of inode: Inode, limit: Int
  ) throws(Ext4Error) -> Int {
    let node = IomapNode(
      nodeID: inode.number.nodeID.rawValue, attributeInode: UInt64(inode.number.rawValue))
    // The kernel can have no more than there are, however often it was told.
    let held = min(inode.published.withLock { $0.count }, inode.knownMappingCount)
    if held + limit > recordsPerFile {
      forget(inode)
      inode.published.withLock { $0.noteOverflow() }
    }
    var pushed = 0
    var end = window.first.offset
    var reachedEnd = false
    try window.walk { mapping in
      // The hole behind the last block saves no question, unless it is what was asked about.
      if pushed > 0, mapping.kind == .hole, mapping.end.rawValue >= window.limit {
        reachedEnd = true
        return false
      }
      if inode.isBroken(at: .answersWithoutUpsert) {
        pushed = 1
        return false
      }
      do throws(Errno) {
        try notifier.upsert(node, read: stamped(mapping), write: nil)
      } catch {
        return false
      }
      pushed += 1
      end = mapping.end
      reachedEnd = mapping.end.rawValue >= window.limit
      return pushed < limit
    }
    let isWhole = reachedEnd && window.first.offset.rawValue == 0
    let added = inode.published.withLock { ledger in
      let before = ledger.count
      ledger.note(pushed, to: end, whole: isWhole)
      return ledger.count - before
    }
    total.wrappingAdd(added, ordering: .relaxed)
    return pushed
  }

  // MARK: Forgetting

  /// The kernel is to forget all mappings of the file.
  func forget(_ inode: Inode) {
    forget(inode, from: FileOffset(0))
    let count = inode.published.withLock { ledger in
      defer { ledger.reset() }
      return ledger.count
    }
    total.wrappingSubtract(count, ordering: .relaxed)
  }

  /// The kernel is to forget the mappings from `offset` on.
  func forget(
    _ inode: Inode, from offset: FileOffset, length: UInt64 = IomapWire.toEndOfFile
  ) {
    guard !isStopped.load(ordering: .acquiring) else { return }
    let node = IomapNode(
      nodeID: inode.number.nodeID.rawValue, attributeInode: UInt64(inode.number.rawValue))
    // An error says that there is nothing to forget: the kernel does not know the inode any more (5.9).
    try? notifier.invalidate(
      node, read: InvalidationRange(offset: offset, length: length),
      write: InvalidationRange(offset: offset, length: length))
    inode.published.withLock { $0.noteChange() }
  }

  /// The kernel is to ask for the attributes of the file again.
  func forgetAttributes(_ inode: Inode) {
    guard !isStopped.load(ordering: .acquiring) else { return }
    channel.forgetAttributes(of: inode.number.nodeID)
  }

  /// The kernel has forgotten the file, and its mappings with it.
  func noteForgotten(_ inode: Inode) {
    let count = inode.published.withLock { ledger in
      defer { ledger.reset() }
      return ledger.count
    }
    if count > 0 { total.wrappingSubtract(count, ordering: .relaxed) }
  }

  /// The kernel holds more mappings than it should.
  var isOverBudget: Bool { total.load(ordering: .relaxed) > Self.totalLimit }
  var hasRoom: Bool { total.load(ordering: .relaxed) < Self.totalLimit / 2 }
}
