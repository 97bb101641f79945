import Glibc
import Synchronization

/// What a thread waits for.
public enum WaitCause: Sendable, Hashable, CaseIterable {
  case lock(ObservedLock.Role)
  /// Data or metadata that the system does not have in memory.
  case read
  /// Everything written so far to be on stable storage.
  case flush

  public static var allCases: [WaitCause] {
    ObservedLock.Role.allCases.map { .lock($0) } + [.read, .flush]
  }

  /// For a lock, and not for the device.
  public var isLock: Bool {
    if case .lock = self { true } else { false }
  }

  /// Within `allCases`.
  fileprivate var index: Int {
    switch self {
    case .lock(let role): Int(role.rawValue)
    case .read: ObservedLock.Role.allCases.count
    case .flush: ObservedLock.Role.allCases.count + 1
    }
  }
}

/// How often, and for how long, threads have waited for the locks of a file system and for its device.
///
/// Only what waits is measured: a lock that is free, and a block that is in memory, cost nothing here.
public final class WaitStatistics: Sendable {
  public struct Count: Sendable, Equatable {
    public var waits: UInt64 = 0
    public var nanoseconds: UInt64 = 0
  }

  private struct Cell: ~Copyable {
    let waits = Atomic<UInt64>(0)
    let nanoseconds = Atomic<UInt64>(0)
  }

  private let cells: InlineArray<11, Cell>
  /// Called by a thread that has waited, with nanoseconds.
  private let didWait: @Sendable (WaitCause, UInt64) -> Void

  init(didWait: @escaping @Sendable (WaitCause, UInt64) -> Void) {
    self.didWait = didWait
    cells = InlineArray { _ in Cell() }
  }

  /// Calls `body`, which waits. By locks of the file system, too.
  public func measure<R, E>(_ cause: WaitCause, _ body: () throws(E) -> R) throws(E) -> R {
    let start = Self.now
    defer { note(cause, Self.now - start) }
    return try body()
  }

  private func note(_ cause: WaitCause, _ nanoseconds: UInt64) {
    cells[cause.index].waits.wrappingAdd(1, ordering: .relaxed)
    cells[cause.index].nanoseconds.wrappingAdd(nanoseconds, ordering: .relaxed)
    didWait(cause, nanoseconds)
  }

  private static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  public subscript(cause: WaitCause) -> Count {
    Count(
      waits: cells[cause.index].waits.load(ordering: .relaxed),
      nanoseconds: cells[cause.index].nanoseconds.load(ordering: .relaxed))
  }
}
