/// What was done to a device, in the order in which it was done, and what the workload said meanwhile.
public struct WriteLog: Sendable {
  public enum Event: Sendable {
    case write(offset: Int, bytes: [UInt8])
    /// A flush of the device that lies at `area` has returned: what was written there among the first `before` events is on stable
    /// storage.
    case flushed(before: Int, area: Range<Int>)
    case mark(Mark)
  }

  /// What a workload knows of its own progress. Operations are numbered from 1.
  public enum Mark: Sendable {
    case began(operation: Int)
    case finished(operation: Int)
    /// The file system has said that all operations up to this one are on stable storage.
    case synchronized(operation: Int)
  }

  public internal(set) var events: [Event] = []

  public var writeCount: Int {
    events.count { if case .write = $0 { true } else { false } }
  }

  public var flushCount: Int {
    events.count { if case .flushed = $0 { true } else { false } }
  }
}
