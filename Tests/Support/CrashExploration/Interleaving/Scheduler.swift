import Dispatch
import Foundation
import Journal
import Synchronization
import TestSupport

/// Runs tasks so that the seed alone decides how they are interleaved. Each task has a thread, and one thread runs at a time. Which one
/// is chosen anew wherever a task takes or releases a lock, or reads, writes or flushes the device.
///
/// It knows the holder of each observed lock, so that no task ever waits in the operating system. When all tasks wait for locks, that is
/// a deadlock, and the error says which task waits for which lock. A lock that is not observed must not be held across such a point.
public final class Scheduler: Sendable {
  /// Where another task may go on.
  enum Point { case lock, device, record, pause }

  fileprivate struct Task {
    let name: String
    let wake = DispatchSemaphore(value: 0)
    var hasEnded = false
    /// What it cannot take yet.
    var wanted: (lock: ObservedLock, shared: Bool)?
    /// Other tasks go first until so many points have passed, as long as there are other tasks.
    var sleepsUntil = 0
    var failure: (any Error)?
  }

  fileprivate struct State {
    var tasks: [Task] = []
    /// The task that runs; nil before the first and after the last.
    var current: Int?
    var locks = LockModel()
    var random: SeededGenerator
    var pointCount = 0
    var trace: UInt64 = 0xcbf2_9ce4_8422_2325
    var deadlock: String?
  }

  private let state: Mutex<State>
  private let temper: SchedulingTemper
  private let ended = DispatchSemaphore(value: 0)

  public init(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    temper = SchedulingTemper(&random)
    state = Mutex(State(random: random))
  }

  /// How many times a task might have been interrupted.
  public var pointCount: Int { state.withLock { $0.pointCount } }
  /// Equal for runs with the same interleaving.
  public var trace: UInt64 { state.withLock { $0.trace } }

  /// Runs all bodies to their ends. Throws the first failure of one of them, and a description of a deadlock.
  public func run(_ bodies: [(name: String, body: @Sendable () throws -> Void)]) throws {
    let first = state.withLock { state in
      state.tasks = bodies.map { Task(name: $0.name) }
      let first = state.random.number(0..<bodies.count)
      state.current = first
      return first
    }
    for (index, (_, body)) in bodies.enumerated() {
      let thread = Thread { [self] in
        sleep(index)
        let failure: (any Error)?
        do {
          try body()
          failure = nil
        } catch {
          failure = error
        }
        end(index, failure)
      }
      thread.stackSize = 4 << 20
      thread.start()
    }
    wake(first)
    while ended.wait(timeout: .now() + .seconds(30)) != .success {
      let (count, name) = state.withLock { state in
        (state.pointCount, state.current.map { state.tasks[$0].name } ?? "none")
      }
      guard ended.wait(timeout: .now() + .seconds(30)) != .success else { break }
      if state.withLock({ $0.pointCount == count }) {
        throw Failure("\(name) waits for something that is hidden from the scheduler")
      }
    }
    let (deadlock, failure) = state.withLock { state in
      (
        state.deadlock,
        state.tasks.first { $0.failure != nil }.map {
          "\($0.name): \($0.failure.map { "\($0)" } ?? "")"
        }
      )
    }
    if let deadlock { throw Failure(deadlock) }
    if let failure { throw Failure(failure) }
  }

  /// The running task has nothing to do for a while.
  public func pause() { pass(.pause) }

  // MARK: Passing on

  private func wake(_ task: Int) { state.withLock { $0.tasks[task].wake }.signal() }
  private func sleep(_ task: Int) { state.withLock { $0.tasks[task].wake }.wait() }

  /// Another task may go on here.
  func pass(_ point: Point) {
    let change = state.withLock { state -> (from: Int, to: Int)? in
      guard let current = state.current else { return nil }
      state.pointCount += 1
      state.tasks[current].sleepsUntil =
        state.pointCount
        + temper.stretch(at: point, place: state.tasks.count - current, &state.random)
      guard temper.passes(at: point, &state.random) || state.isAsleep(current),
        let next = state.choose(), next != current
      else { return nil }
      state.note(next)
      return (current, next)
    }
    guard let change else { return }
    wake(change.to)
    sleep(change.from)
  }

  private func end(_ task: Int, _ failure: (any Error)?) {
    let next = state.withLock { state -> Int? in
      state.tasks[task].hasEnded = true
      state.tasks[task].failure = failure
      state.pointCount += 1
      guard let next = state.choose() else {
        state.current = nil
        if !state.tasks.allSatisfy(\.hasEnded) { state.deadlock = state.waits }
        return nil
      }
      state.note(next)
      return next
    }
    if let next { wake(next) } else { ended.signal() }
  }

  /// The running task cannot take what it wants: another goes on.
  private func block(_ lock: ObservedLock, shared: Bool) -> Bool {
    let change = state.withLock { state -> (from: Int, to: Int?)? in
      guard let current = state.current else { return nil }
      if state.locks.take(lock, shared: shared, by: current, otherwise: state.waitingWriter(lock)) {
        state.tasks[current].wanted = nil
        return nil
      }
      state.tasks[current].wanted = (lock, shared)
      let next = state.choose()
      if let next {
        state.note(next)
      } else {
        state.deadlock = state.waits
        state.current = nil
      }
      return (current, next)
    }
    guard let change else { return false }
    if let next = change.to { wake(next) } else { ended.signal() }
    // After a deadlock for ever.
    sleep(change.from)
    return true
  }
}

extension Scheduler: LockObserver {
  public func willTake(_ lock: ObservedLock, shared: Bool) {
    pass(.lock)
    while block(lock, shared: shared) {}
  }

  public func didRelease(_ lock: ObservedLock) {
    state.withLock { state in
      guard let current = state.current else { return }
      state.locks.release(lock, by: current)
      for index in state.tasks.indices
      where state.tasks[index].wanted?.lock.identity == lock.identity {
        state.tasks[index].wanted = nil
      }
    }
    pass(.lock)
  }
}

extension Scheduler.State {
  func isAsleep(_ task: Int) -> Bool { tasks[task].sleepsUntil > pointCount }

  /// A task that can go on; if all sleep, the one that wakes first.
  mutating func choose() -> Int? {
    let able = tasks.indices.filter { !tasks[$0].hasEnded && tasks[$0].wanted == nil }
    let awake = able.filter { !isAsleep($0) }
    if !awake.isEmpty { return random.pick(awake) }
    return able.min { tasks[$0].sleepsUntil < tasks[$1].sleepsUntil }
  }

  /// `next` goes on.
  mutating func note(_ next: Int) {
    current = next
    for word in [UInt64(pointCount), UInt64(next)] {
      trace = (trace ^ word) &* 0x0000_0100_0000_01b3
    }
  }

  func waitingWriter(_ lock: ObservedLock) -> Bool {
    lock.prefersWriters
      && tasks.contains { $0.wanted?.lock.identity == lock.identity && $0.wanted?.shared == false }
  }

  /// Which task waits for which lock, as text.
  var waits: String {
    let lines = tasks.indices.compactMap { index -> String? in
      guard let (lock, shared) = tasks[index].wanted else { return nil }
      let holders = locks.holders(of: lock).map { tasks[$0].name }
      return "\(tasks[index].name) waits for \(lock.role)\(shared ? ", shared" : ""), held by "
        + (holders.isEmpty ? "none" : holders.joined(separator: " and "))
    }
    return "deadlock: \(lines.joined(separator: "; "))"
  }
}
