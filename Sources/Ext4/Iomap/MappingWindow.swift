import IomapCache
import Journal
import Synchronization
import SystemPackage

/// What the kernel is about to do where it asks for a mapping.
public enum MappingPurpose: Sendable {
  /// Look, read, or zero what is there: nothing changes.
  case inspect
  /// Write, or write back: there must be blocks.
  case write
}

/// A view of a file's mappings from one position on, valid while the file's mapping lock is held: as long as the function
/// that it is passed to runs.
public struct MappingWindow {
  let inode: Inode
  /// The mapping that covers the position that was asked for.
  public let first: Mapping
  /// Whether its blocks have only just been taken.
  public var isNew = false

  /// Where the file's map ends, in bytes: behind it nothing can be.
  public var limit: UInt64 { inode.mapEnd.rawValue }

  /// Calls `body` with `first` and the mappings behind it, in order, until `body` returns false or the file's map ends. Mappings
  /// that are not in memory are read from disk. Data in the inode is the only mapping that its file has.
  public func walk(_ body: (Mapping) -> Bool) throws(Ext4Error) {
    var mapping = first
    while body(mapping) {
      guard mapping.kind != .inline, mapping.end < inode.mapEnd else { return }
      mapping = inode.marked(try inode.mapping(at: mapping.end))
    }
  }
}

extension Inode {
  /// Finds the mapping that covers `position` and calls `publish` while no mapping of the file can change, so that what
  /// `publish` tells the kernel is never late. With `write`, a hole is given blocks first: those for `count` bytes if there are
  /// as many together, more where the file grows, at least one. They are unwritten, or zeros on stable storage where
  /// the file's map knows no unwritten blocks.
  ///
  /// The lock is the inode's `io`: shared, or exclusive where blocks are taken. EFBIG beyond the largest file, EROFS for writes
  /// on a file system that is read-only, ENOSPC.
  public func withMapping<R>(
    at position: FileOffset, count: UInt64, for purpose: MappingPurpose,
    _ publish: (MappingWindow) throws(Ext4Error) -> R
  ) throws(Ext4Error) -> R {
    guard position.rawValue < volume.maximumMappedBytes else { throw .errno(.fileTooLarge) }
    if purpose == .write {
      try volume.requireWritable()
      guard position.rawValue < volume.maximumFileSize(of: self) else {
        throw .errno(.fileTooLarge)
      }
    }
    let answer: R? = try io.withReadLock { () throws(Ext4Error) in
      keepAnnouncedBlocks()
      guard !hasInlineData.load(ordering: .relaxed) else { return nil }
      let mapping = try mapping(at: position)
      guard purpose == .inspect || mapping.kind != .hole else { return nil }
      return try publish(MappingWindow(inode: self, first: marked(mapping)))
    }
    if let answer { return answer }
    return try io.withWriteLock { () throws(Ext4Error) in
      keepAnnouncedBlocks()
      if hasInlineData.load(ordering: .relaxed) {
        guard purpose == .write else { return try publish(inlineWindow) }
        try volume.change { () throws(Ext4Error) in try moveInlineDataToBlocks() }
      }
      let isNew = purpose == .write ? try fillHole(at: position, count: count) : false
      return try publish(
        MappingWindow(inode: self, first: marked(try mapping(at: position)), isNew: isNew))
    }
  }

  /// Data in the inode: one block as the kernel sees it.
  private var inlineWindow: MappingWindow {
    MappingWindow(
      inode: self,
      first: Mapping(
        offset: FileOffset(0), length: UInt64(volume.blockSize), address: DeviceOffset(0),
        kind: .inline))
  }

  /// The mapping with what the kernel must know beside its place: whether it depends on metadata that is not on stable
  /// storage, and that a block map knows no extents.
  fileprivate func marked(_ mapping: Mapping) -> Mapping {
    var mapping = mapping
    mapping.flags = []
    guard mapping.kind != .hole else { return mapping }
    if hasVolatileChanges { mapping.flags.insert(.dirty) }
    if !usesExtents { mapping.flags.insert(.merged) }
    return mapping
  }

  /// Some of the inode's metadata is not on stable storage.
  public var hasVolatileChanges: Bool {
    lastChange.load(ordering: .acquiring) > volume.durableCommit.load(ordering: .acquiring)
  }

  /// The form of the map never changes while the file has one, so that this takes no lock.
  private var usesExtents: Bool { flagsNow.contains(.extents) }
}
