import CExt2FS
import Synchronization
import SystemPackage

extension Volume {
  /// A write found no room.
  public func noteOutOfRoom() { isOutOfRoom.store(true, ordering: .relaxed) }

  /// A write has found no room, and no writer has been told since that there is some.
  public var hasRunOutOfRoom: Bool { isOutOfRoom.load(ordering: .relaxed) }
}

// The kernel takes writes into its cache without asking, and learns only later that the file system is full. A file that this
// has happened to is remembered, and its writers are told before they write more. When any write has found no room, all writers
// must ask, those of new files too: until one is told that there is room again.
extension Inode {
  /// Data from the kernel's cache found no room.
  public func noteStarvation() {
    isStarved.store(true, ordering: .releasing)
  }

  /// Whether writers must ask first.
  public var admitsWritersOnRequest: Bool {
    isStarved.load(ordering: .acquiring) || volume.hasRunOutOfRoom || isImmutable
  }

  /// The attributes go out to the kernel.
  public func noteAttributesKnown() {
    attributesAreKnown.store(true, ordering: .releasing)
  }

  private var isImmutable: Bool { volume.metadata.withLock { flags.contains(.immutable) } }

  /// Throws what a writer must be told: ENOSPC for as long as there is no room for the file's data, EPERM for
  /// an immutable file.
  public func admitWriter() throws(Ext4Error) {
    guard !isImmutable else { throw .errno(.notPermitted) }
    guard isStarved.load(ordering: .acquiring) || volume.hasRunOutOfRoom else { return }
    try volume.metadata.withLock { () throws(Ext4Error) in
      guard volume.hasRoom(for: purpose) else { throw .errno(.noSpace) }
    }
    isStarved.store(false, ordering: .releasing)
    volume.isOutOfRoom.store(false, ordering: .relaxed)
  }

  /// After a write from the kernel's cache: whether the kernel must be told that it knows the number of blocks no longer, which
  /// it does not find out by itself. Never for a file without names: the kernel may be waiting to be rid of it.
  public func mustTellOfBlocks() -> Bool {
    guard hasNewBlocks.load(ordering: .relaxed), hasNewBlocks.exchange(false, ordering: .acquiring)
    else { return false }
    return !isUnlinked.load(ordering: .acquiring)
      && attributesAreKnown.exchange(false, ordering: .acquiringAndReleasing)
  }
}
