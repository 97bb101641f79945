/// One way in which the power may go: at what point of the log, and which of the writes that were not flushed by then have
/// reached the disk.
public struct Cut: Sendable, CustomStringConvertible {
  enum Choice: Sendable {
    /// The first so many unflushed writes.
    case prefix(Int)
    /// All but one.
    case without(Int)
    /// Only one.
    case only(Int)
    /// Those before this one, and a part of it.
    case torn(Int, Tear)
    /// Some, and some in part, decided by a seed.
    case random(seed: UInt64)
  }

  /// Which sectors of a write have arrived.
  enum Tear: Sendable, CaseIterable {
    case first, allButFirst, last, allButLast, firstHalf, lastHalf
  }

  /// The stretch between two flushes, by its number.
  let epoch: Int
  let choice: Choice
  /// Events of the log that had happened.
  let point: Int

  public var description: String { "epoch \(epoch), \(choice), after event \(point)" }
}

/// What must be true after a cut: how many operations must be found, and how many can be.
public struct Expectation: Hashable, Sendable {
  /// The last operation that was acknowledged as being on stable storage.
  public var synchronized: Int
  /// The last operation that had begun.
  public var begun: Int

  public init(synchronized: Int, begun: Int) {
    self.synchronized = synchronized
    self.begun = begun
  }
}

/// A disk as a cut leaves it, and what must be true of it. Other cuts may leave the same.
public struct CrashState: Sendable {
  public let cut: Cut
  public internal(set) var expectations: [Expectation]
}
