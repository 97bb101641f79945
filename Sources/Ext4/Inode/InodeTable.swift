import CExt2FS
import Journal
import Synchronization

/// The inodes in memory, by number, and how often the kernel refers to those that are not.
///
/// The kernel may know millions of inodes. Those that have been used lately are here, as are those that differ from what
/// is on disk; of others that it knows only the number of its references is kept.
/// The table's lock is the innermost of all.
final class InodeTable: Sendable {
  private struct State {
    var inodes: [InodeNumber: Inode] = [:]
    /// References to inodes that are not in memory.
    var counts: [InodeNumber: UInt32] = [:]
    /// With more inodes in memory than this it is time to drop some.
    var limit: Int
  }

  private let state: Mutex<State>
  /// Hits are counted with the table's lock held, misses with the metadata lock.
  let statistics = CacheStatistics()
  private let capacity: Int

  /// `capacity`: about how many inodes are kept in memory.
  init(capacity: Int) {
    self.capacity = capacity
    state = Mutex(State(limit: capacity))
  }

  /// The inode if it is in memory.
  @inline(__always)
  subscript(number: InodeNumber) -> Inode? {
    state.withLock { state in
      guard let inode = state.inodes[number] else { return nil }
      inode.wasUsed = true
      statistics.noteHit()
      return inode
    }
  }

  /// Adds `inode`, as it has been read from disk or is new there, which must not be in the table. Metadata lock held: it keeps two
  /// callers from reading the same inode twice.
  func insert(_ inode: Inode) {
    state.withLock { state in
      if let count = state.counts.removeValue(forKey: inode.number) {
        inode.lookupCount = UInt64(count)
        inode.noteAttributesKnown()
      }
      state.inodes[inode.number] = inode
      inode.wasUsed = true
      guard state.inodes.count > state.limit else { return }
      makeRoom(&state)
      // To look at all of them takes its time, and it may be that few could be dropped.
      state.limit = max(capacity, state.inodes.count + capacity / 4)
    }
  }

  /// Drops inodes that have not been used since the last time, and if those are few, others as well. Metadata lock held, so that no
  /// thread is about to change one.
  private func makeRoom(_ state: inout State) {
    for sparesUsed in [true, false] {
      var inodes = Array(state.inodes.values)
      state.inodes.removeAll(keepingCapacity: true)
      var excess = inodes.count - capacity / 4 * 3
      for index in inodes.indices {
        // A thread that uses an inode has a reference to the object, and can get one only from this table.
        let isUsed =
          sparesUsed && inodes[index].wasUsed || !isKnownUniquelyReferenced(&inodes[index])
        let inode = inodes[index]
        inode.wasUsed = false
        if excess > 0, !isUsed, inode.isAsOnDisk {
          excess -= 1
          if inode.lookupCount > 0 { state.counts[inode.number] = UInt32(inode.lookupCount) }
        } else {
          state.inodes[inode.number] = inode
        }
      }
      if excess <= 0 { return }
    }
  }

  /// Drops the inode: it has been freed on disk.
  func remove(_ inode: Inode) {
    state.withLock { state in _ = state.inodes.removeValue(forKey: inode.number) }
  }

  /// The kernel learns of the inode once more. Metadata lock held.
  func reference(_ inode: Inode) {
    state.withLock { state in
      if inode.lookupCount == 0 {
        inode.knownGeneration = nil
        inode.isServedByIomap.store(inode.suitsKernel, ordering: .releasing)
      }
      inode.lookupCount += 1
    }
  }

  /// The kernel forgets `count` of its references. Returns the inode when none is left, if it is in memory; there is nothing to do for
  /// one that is not.
  func unreference(_ number: InodeNumber, count: UInt64) -> Inode? {
    state.withLock { state in
      guard let inode = state.inodes[number] else {
        if let known = state.counts[number] {
          state.counts[number] = count < UInt64(known) ? known - UInt32(count) : nil
        }
        return nil
      }
      guard inode.lookupCount > 0 else { return nil }
      inode.lookupCount -= min(count, inode.lookupCount)
      guard inode.lookupCount == 0 else { return nil }
      inode.isServedByIomap.store(false, ordering: .releasing)
      return inode
    }
  }

  /// The inode, if it is in memory and the kernel refers to it.
  func referenced(_ number: InodeNumber) -> Inode? {
    state.withLock { state in state.inodes[number].flatMap { $0.lookupCount > 0 ? $0 : nil } }
  }

  /// The inodes in memory that the kernel refers to.
  var allReferenced: [Inode] {
    state.withLock { state in state.inodes.values.filter { $0.lookupCount > 0 } }
  }

  /// The numbers of all inodes that the kernel refers to, in memory or not.
  var allReferencedNumbers: [InodeNumber] {
    state.withLock { state in
      state.inodes.values.filter { $0.lookupCount > 0 }.map(\.number) + Array(state.counts.keys)
    }
  }

  /// All inodes in memory.
  var all: [Inode] { state.withLock { Array($0.inodes.values) } }

  /// The inodes that have blocks ahead of their ends.
  var withPreallocation: [Inode] {
    state.withLock { state in
      state.inodes.values.filter { $0.hasPreallocation.load(ordering: .relaxed) }
    }
  }

  /// The inodes whose extent trees have changed since they were last compact.
  var withChangedExtentTree: [Inode] {
    state.withLock { state in
      state.inodes.values.filter { $0.extentTreeChanged.load(ordering: .relaxed) }
    }
  }

  func lookupCount(of inode: Inode) -> UInt64 {
    state.withLock { _ in inode.lookupCount }
  }
}

extension Volume {
  /// The inode, read from disk if need be. ESTALE for a number that no inode can have. Metadata lock held.
  func inode(_ number: InodeNumber) throws(Ext4Error) -> Inode {
    if let inode = inodes[number] { return inode }
    guard geometry.contains(number) else { throw .errno(.staleNFSFileHandle) }
    inodes.statistics.noteMiss()
    readAhead(of: number)
    let inode = Inode(number: number, volume: self, raw: makeRawInode())
    try inode.reload()
    // A free inode may hold anything.
    if inode.linkCount > 0 { try inode.judge() }
    inodes.insert(inode)
    return inode
  }

  /// The inode that a directory entry of `parent` names. An entry that names a reserved or free inode is
  /// corruption (EUCLEAN), as in ext4_iget. Metadata lock held.
  func inode(_ number: InodeNumber, namedIn parent: Inode) throws(Ext4Error) -> Inode {
    guard number == .root || geometry.isForFiles(number) else {
      throw .corrupted(parent.number, what: "a directory entry has a bad inode number")
    }
    let inode = try inode(number)
    guard inode.linkCount > 0, inode.fileType != nil, !inode.flags.contains(.attributeValue)
    else {
      throw .corrupted(parent.number, what: "a directory entry refers to a deleted inode")
    }
    return inode
  }

  /// Zeroed memory for the on-disk form of an inode.
  func makeRawInode() -> UnsafeMutablePointer<ext2_inode_large> {
    let size = max(inodeSize, MemoryLayout<ext2_inode_large>.size)
    let raw = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
    raw.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    return raw.bindMemory(to: ext2_inode_large.self, capacity: 1)
  }
}
