import CExt2FS
import Journal
import SystemPackage

/// The block groups whose bitmaps or descriptors a commit must write.
///
/// libext2fs writes all bitmaps of a file system or none, which on a large one costs megabytes a commit.
struct ChangedGroups {
  private(set) var blockBitmaps: Set<UInt32> = []
  private(set) var inodeBitmaps: Set<UInt32> = []

  var isEmpty: Bool { blockBitmaps.isEmpty && inodeBitmaps.isEmpty }
  var all: Set<UInt32> { blockBitmaps.union(inodeBitmaps) }

  mutating func blocksChanged(in group: UInt32) { blockBitmaps.insert(group) }
  mutating func inodesChanged(in group: UInt32) { inodeBitmaps.insert(group) }
  mutating func removeAll() { self = ChangedGroups() }
}
