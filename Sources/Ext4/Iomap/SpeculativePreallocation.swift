import IomapCache
import Journal
import Synchronization

// Blocks taken ahead of a growing file, so that it lies together and the kernel need not ask for every piece of it. They lie
// behind the end of the file, and are given back when it is closed.
//
// The kernel may know them as a mapping, so that freeing them takes two steps: they are announced, and the kernel is told to forget
// them; then they are freed, unless the file has been used between.
extension Inode {
  /// Metadata lock held.
  func notePreallocation(_ blocks: Range<UInt64>) {
    let first = min(preallocation?.lowerBound ?? blocks.lowerBound, blocks.lowerBound)
    preallocation = first..<blocks.upperBound
    hasPreallocation.store(true, ordering: .releasing)
  }

  /// Fallocate has asked for the blocks below `end`: they are no longer ahead, and the file keeps them. Metadata lock held.
  func keepPreallocation(below end: UInt64) {
    guard let blocks = preallocation else { return }
    setPreallocation(blocks.clamped(to: end..<max(end, blocks.upperBound)))
  }

  /// Metadata lock held.
  private func setPreallocation(_ blocks: Range<UInt64>?) {
    preallocation = blocks.flatMap { $0.isEmpty ? nil : $0 }
    hasPreallocation.store(preallocation != nil, ordering: .releasing)
  }

  /// The kernel has opened the file once more.
  public func noteOpen() {
    openCount.wrappingAdd(1, ordering: .acquiringAndReleasing)
    isTrimAnnounced.store(false, ordering: .releasing)
  }

  /// Whether the kernel has the file open.
  public var isOpen: Bool { openCount.load(ordering: .acquiring) > 0 }

  /// The kernel has closed the file once. True when it has the file open no more, and there are blocks to free.
  public func noteClose() -> Bool {
    let count = openCount.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue
    return count <= 0 && hasPreallocation.load(ordering: .acquiring)
  }

  /// The file is in use, so that announced blocks are not freed. The caller holds `io` until it has told the kernel the mapping:
  /// otherwise an announcement could come between, and the kernel would first forget the mapping and then be told it again.
  func keepAnnouncedBlocks() { isTrimAnnounced.store(false, ordering: .releasing) }

  /// Announces that blocks behind the end will be freed. Returns what the kernel must forget; nil when there is nothing to do.
  public func announceTrim() -> FileOffset? {
    io.waitForWriteLock {
      guard openCount.load(ordering: .acquiring) <= 0,
        let blocks = volume.metadata.withLock({ trimmable })
      else { return nil }
      isTrimAnnounced.store(true, ordering: .releasing)
      return FileOffset(blocks.lowerBound << volume.blockShift)
    }
  }

  /// Frees the announced blocks. Returns false, with nothing freed, when the file has been used since the announcement.
  public func finishTrim() throws(Ext4Error) -> Bool {
    try io.withWriteLock { () throws(Ext4Error) in
      guard isTrimAnnounced.exchange(false, ordering: .acquiringAndReleasing),
        openCount.load(ordering: .acquiring) <= 0
      else { return false }
      try volume.change { () throws(Ext4Error) in try trimPreallocation() }
      return true
    }
  }

  /// Those of the blocks ahead that lie behind the end of the file. Metadata lock held.
  private var trimmable: Range<UInt64>? {
    guard let blocks = preallocation, volume.isWritable else { return nil }
    let end = (size + UInt64(volume.blockSize) - 1) >> volume.blockShift
    let behind = max(blocks.lowerBound, end)..<max(blocks.upperBound, end)
    return behind.isEmpty ? nil : behind
  }

  /// Frees the blocks ahead. The kernel must not know them any more. Metadata lock held.
  func trimPreallocation() throws(Ext4Error) {
    do throws(Ext4Error) {
      if linkCount > 0, let blocks = trimmable {
        try removeBlocks(from: UInt32(blocks.lowerBound), to: blocks.upperBound)
        try store()
      }
    } catch {
      // It begins again.
      if !error.isNotInMemory { setPreallocation(nil) }
      throw error
    }
    setPreallocation(nil)
  }
}
