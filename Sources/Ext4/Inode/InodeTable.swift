import CExt2FS
import Synchronization

/// The inodes in memory, by number.
///
/// An inode that the kernel knows (lookup count above 0) stays, as does one whose extent tree is still to be made compact;
/// others are kept for as long as there is room.
/// Its lock is the innermost of all.
final class InodeTable: Sendable {
  private struct State {
    var inodes: [InodeNumber: Inode] = [:]
    var unreferenced = 0
  }

  private let state = Mutex(State())
  /// Inodes kept although nobody refers to them.
  private static let spareCapacity = 8192

  /// The inode if it is in memory.
  @inline(__always)
  subscript(number: InodeNumber) -> Inode? {
    state.withLock { $0.inodes[number] }
  }

  /// Adds `inode`, which must not be in the table, without a reference. Metadata lock held: it keeps two
  /// callers from reading the same inode twice, and spare inodes from vanishing during an operation.
  func insert(_ inode: Inode) {
    state.withLock { state in
      state.inodes[inode.number] = inode
      state.unreferenced += 1
      if state.unreferenced > Self.spareCapacity {
        state.inodes = state.inodes.filter {
          $0.value.lookupCount > 0 || $0.value === inode
            || $0.value.extentTreeChanged.load(ordering: .relaxed)
            || $0.value.hasBlocksAhead.load(ordering: .relaxed)
            || $0.value.hasServerData.load(ordering: .relaxed)
        }
        state.unreferenced = state.inodes.count { $0.value.lookupCount == 0 }
      }
    }
  }

  /// Drops the inode: it has been freed on disk.
  func remove(_ inode: Inode) {
    state.withLock { state in
      guard state.inodes.removeValue(forKey: inode.number) != nil else { return }
      if inode.lookupCount == 0 { state.unreferenced -= 1 }
    }
  }

  /// The kernel learns of the inode once more. Metadata lock held.
  func reference(_ inode: Inode) {
    state.withLock { state in
      if inode.lookupCount == 0 {
        state.unreferenced -= 1
        inode.knownGeneration = nil
        inode.isMovedByKernel.store(inode.suitsKernel, ordering: .releasing)
      }
      inode.lookupCount += 1
    }
  }

  /// The kernel forgets `count` of its references. Returns the inode when none is left.
  func unreference(_ number: InodeNumber, count: UInt64) -> Inode? {
    state.withLock { state in
      guard let inode = state.inodes[number], inode.lookupCount > 0 else { return nil }
      inode.lookupCount -= min(count, inode.lookupCount)
      guard inode.lookupCount == 0 else { return nil }
      state.unreferenced += 1
      inode.isMovedByKernel.store(false, ordering: .releasing)
      return inode
    }
  }

  func referenced(_ number: InodeNumber) -> Inode? {
    state.withLock { state in state.inodes[number].flatMap { $0.lookupCount > 0 ? $0 : nil } }
  }

  var allReferenced: [Inode] {
    state.withLock { state in state.inodes.values.filter { $0.lookupCount > 0 } }
  }

  /// All inodes in memory.
  var all: [Inode] { state.withLock { Array($0.inodes.values) } }

  /// The inodes that have blocks ahead of their ends.
  var withBlocksAhead: [Inode] {
    state.withLock { state in
      state.inodes.values.filter { $0.hasBlocksAhead.load(ordering: .relaxed) }
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
    guard number.rawValue >= 1, number.rawValue <= superblock.pointee.s_inodes_count else {
      throw .errno(.staleNFSFileHandle)
    }
    let inode = Inode(number: number, volume: self, raw: makeRawInode())
    try inode.reload()
    inodes.insert(inode)
    return inode
  }

  /// The inode that a directory entry of `parent` names. An entry that names a reserved or free inode is
  /// corruption (EUCLEAN), as in ext4_iget. Metadata lock held.
  func inode(_ number: InodeNumber, namedIn parent: Inode) throws(Ext4Error) -> Inode {
    let first = max(superblock.pointee.s_first_ino, 11)
    guard number == .root || number.rawValue >= first,
      number.rawValue <= superblock.pointee.s_inodes_count
    else { throw .corrupted(parent.number, what: "a directory entry has a bad inode number") }
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
