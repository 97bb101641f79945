/// Sees what threads do with the locks of a file system: for tests that decide which thread runs next.
public protocol LockObserver: AnyObject, Sendable {
  /// The calling thread is about to take `lock`. When this returns, it can do so without waiting.
  func willTake(_ lock: ObservedLock, shared: Bool)
  /// The calling thread has let go of `lock`.
  func didRelease(_ lock: ObservedLock)
}

/// A lock as its observer knows it.
public struct ObservedLock: Sendable {
  public enum Role: UInt8, Sendable, CaseIterable {
    case inode, committing, commitGate, metadata
    case checkpointing, goingHome, journalSuperblock, logState, checkpointList
  }

  public let role: Role
  /// Tells the locks of one role apart for as long as they exist.
  public let identity: UInt
  /// A writer that waits keeps new readers out.
  public let prefersWriters: Bool

  public init(_ role: Role, identity: UInt, prefersWriters: Bool = false) {
    self.role = role
    self.identity = identity
    self.prefersWriters = prefersWriters
  }
}
