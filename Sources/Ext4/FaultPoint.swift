import Journal
import Synchronization

/// Places where a test can break the daemon on purpose, one at a time, to see that the tests notice. In use none is ever broken.
public enum FaultPoint: UInt8, CaseIterable, Sendable {
  /// Blocks are taken from a file, and its mappings in memory stay.
  case keepsMappingsOfRemovedBlocks = 1
  /// Blocks are given to a file, and its mappings in memory still show a hole.
  case keepsHoleOverNewBlocks
  /// Unwritten blocks have been written, and the mappings in memory stay unwritten.
  case keepsUnwrittenMappings
  /// Blocks ahead of a file's end are freed, and the kernel keeps their mapping.
  case keepsTrimmedMappingsInKernel
  /// Blocks are freed, and the kernel keeps the device's page cache of them.
  case keepsDeviceCopies
  /// Freed blocks may be taken again before the commit that frees them is durable.
  case reusesBlocksAtOnce
  /// The kernel is told of mappings without the lock that keeps them from changing.
  case publishesWithoutLock
  /// The kernel is told to look into its cache for what it was never told.
  case answersWithoutUpsert
  /// After the file system has become read-only, the kernel keeps mappings through which it can write.
  case keepsMappingsOfReadOnlyFiles
  /// Metadata is committed before the data that it leads to is on stable storage.
  case commitsBeforeData
  /// Errors of the kernel's writeback reach no caller.
  case forgetsWriteErrors
  /// Those of the journal (`JournalFault`).
  case commitRecordBeforeBlocks
  case acknowledgesBeforeFlush
  case checkpointsBeforeCommit
  case forgetsRevokes
  case advancesTailEarly
  case reckonsWithIntendedTail
  case listsCopiesBeforeCommit
  case forgetsCopiesEarly
  case takesOffCopiesGoingHome

  /// The place in the log that is broken.
  public var journalFault: JournalFault? {
    switch self {
    case .commitRecordBeforeBlocks: .commitRecordBeforeBlocks
    case .acknowledgesBeforeFlush: .acknowledgesBeforeFlush
    case .checkpointsBeforeCommit: .checkpointsBeforeCommit
    case .forgetsRevokes: .forgetsRevokes
    case .advancesTailEarly: .advancesTailEarly
    case .reckonsWithIntendedTail: .reckonsWithIntendedTail
    case .listsCopiesBeforeCommit: .listsCopiesBeforeCommit
    case .forgetsCopiesEarly: .forgetsCopiesEarly
    case .takesOffCopiesGoingHome: .takesOffCopiesGoingHome
    default: nil
    }
  }
}

extension Volume {
  /// Breaks the file system at a point; nil mends it.
  public func breakOnPurpose(at point: FaultPoint?) {
    brokenPoint.store(point?.rawValue ?? 0, ordering: .relaxed)
    log?.breakOnPurpose(at: point?.journalFault)
  }

  @inline(__always)
  public func isBroken(at point: FaultPoint) -> Bool {
    brokenPoint.load(ordering: .relaxed) == point.rawValue
  }
}

extension Inode {
  @inline(__always)
  public func isBroken(at point: FaultPoint) -> Bool { volume.isBroken(at: point) }
}
