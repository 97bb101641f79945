import FuseProtocol
import Glibc
import Synchronization

/// When a request came in, and what it asked for. It goes with the request to the thread that answers it.
public struct RequestStamp: Sendable {
  let start: UInt64
  let row: OperationRow

  /// For what no request has come for yet.
  static let none = RequestStamp(start: 0, row: OperationRow(rawOpcode: 0))
}

/// Counts and times all requests of a session.
///
/// 1. `received` when a request has been read, `answered` when its reply is about to be sent, by whichever thread sends it: once for each request. Of
///    requests that have no reply, when they have been carried out.
/// 2. A thread has counts of its own (`RequestCounters`), from `enter` or its first reply on. They are added up when they are asked for.
/// 3. What a thread waits for (`noteWait`) belongs to the next reply that it sends.
public final class RequestStatistics: Sendable {
  private struct State {
    var counters: [RequestCounters] = []
    /// The sums of threads that have ended.
    var ended = RequestStatistics.none

    mutating func collectEnded() {
      counters.removeAll { counters in
        guard counters.isLeft.load(ordering: .acquiring) else { return false }
        counters.add(to: &ended)
        return true
      }
    }
  }

  public enum Wait: Sendable { case lock, device }

  private let clock = RequestClock.best
  /// No other statistics of this process have had it.
  private let number = RequestStatistics.next.wrappingAdd(1, ordering: .relaxed).newValue
  private let key = RequestStatistics.threadKey
  private let readers = OperationRow.readers
  private let writers = OperationRow.writers
  private let wideWriters = OperationRow.wideWriters
  private let state = Mutex(State())

  private static let next = Atomic<UInt64>(0)

  /// Its value is the cells in which the thread counts.
  private static let threadKey: pthread_key_t = {
    var key = pthread_key_t()
    pthread_key_create(&key) { cells in
      if let cells { RequestStatistics.leave(cells.assumingMemoryBound(to: Atomic<UInt64>.self)) }
    }
    return key
  }()

  public init() {}

  // MARK: Counting

  /// A request has been read.
  @inline(__always)
  public func received(_ rawOpcode: UInt32) -> RequestStamp {
    RequestStamp(start: clock.now, row: OperationRow(rawOpcode: rawOpcode))
  }

  /// The calling thread is about to reply.
  ///
  /// - Parameters:
  ///   - error: as in the reply: 0, or an errno with a minus sign.
  ///   - payload: the reply without its header, or its first part; `byteCount` is the size of all parts.
  public func answered(
    _ request: RequestStamp, error: Int32, _ payload: UnsafeRawBufferPointer, byteCount: Int
  ) {
    guard let cells = currentCells else { return }
    let time = clock.nanoseconds(from: request.start, to: clock.now)
    let row = RequestCounters.row(request.row.index, of: cells)
    RequestCounters.add(
      1, to: RequestCounters.Cell.firstBucket + LatencyHistogram.bucket(of: time), of: row)
    RequestCounters.add(time, to: RequestCounters.Cell.time, of: row)
    if time > row[RequestCounters.Cell.longest].load(ordering: .relaxed) {
      row[RequestCounters.Cell.longest].store(time, ordering: .relaxed)
    }
    if error != 0 {
      RequestCounters.add(1, to: RequestCounters.Cell.errors, of: row)
    } else if byteCount > 0 {
      countBytes(request.row, payload, byteCount, row)
    }
    moveWaits(from: cells, to: row)
  }

  /// The same for a reply in one part.
  @inline(__always)
  public func answered(
    _ request: RequestStamp, error: Int32 = 0,
    _ payload: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
  ) {
    answered(request, error: error, payload, byteCount: payload.count)
  }

  @inline(__always)
  private func countBytes(
    _ operation: OperationRow, _ payload: UnsafeRawBufferPointer, _ byteCount: Int,
    _ row: RequestCounters.Cells
  ) {
    let bit: UInt64 = 1 << UInt64(operation.index)
    if readers & bit != 0 {
      RequestCounters.add(UInt64(byteCount), to: RequestCounters.Cell.bytes, of: row)
    } else if writers & bit != 0 {
      let isWide = wideWriters & bit != 0
      guard payload.count >= (isWide ? 8 : 4) else { return }
      let count =
        isWide
        ? payload.loadUnaligned(as: UInt64.self) : UInt64(payload.loadUnaligned(as: UInt32.self))
      RequestCounters.add(count, to: RequestCounters.Cell.bytes, of: row)
    }
  }

  @inline(__always)
  private func moveWaits(from cells: RequestCounters.Cells, to row: RequestCounters.Cells) {
    let lockTime = cells[RequestCounters.Head.lockTime].load(ordering: .relaxed)
    let deviceTime = cells[RequestCounters.Head.deviceTime].load(ordering: .relaxed)
    guard lockTime | deviceTime != 0 else { return }
    cells[RequestCounters.Head.lockTime].store(0, ordering: .relaxed)
    cells[RequestCounters.Head.deviceTime].store(0, ordering: .relaxed)
    RequestCounters.add(lockTime, to: RequestCounters.Cell.lockTime, of: row)
    RequestCounters.add(deviceTime, to: RequestCounters.Cell.deviceTime, of: row)
  }

  /// The calling thread has waited so many nanoseconds. Nothing happens in a thread that serves no requests.
  public static func noteWait(for what: Wait, _ nanoseconds: UInt64) {
    guard let value = pthread_getspecific(threadKey) else { return }
    let cells = value.assumingMemoryBound(to: Atomic<UInt64>.self)
    let cell =
      what == .lock ? RequestCounters.Head.lockTime : RequestCounters.Head.deviceTime
    RequestCounters.add(nanoseconds, to: cell, of: cells)
  }

  // MARK: Threads

  /// The calling thread will serve requests: what it waits for before its first reply counts as well.
  public func enter() { _ = currentCells }

  @inline(__always)
  private var currentCells: RequestCounters.Cells? {
    if let value = pthread_getspecific(key) {
      let cells = value.assumingMemoryBound(to: Atomic<UInt64>.self)
      if cells[RequestCounters.Head.owner].load(ordering: .relaxed) == number { return cells }
    }
    return makeCells()
  }

  /// Nil when there is no memory for them; the thread then does not count.
  @inline(never)
  private func makeCells() -> RequestCounters.Cells? {
    if let value = pthread_getspecific(key) {
      Self.leave(value.assumingMemoryBound(to: Atomic<UInt64>.self))
      pthread_setspecific(key, nil)
    }
    guard let counters = RequestCounters(owner: number) else { return nil }
    let object = Unmanaged.passRetained(counters).toOpaque()
    counters.cells[RequestCounters.Head.object].store(
      UInt64(UInt(bitPattern: object)), ordering: .relaxed)
    pthread_setspecific(key, counters.cells)
    state.withLock { state in
      state.collectEnded()
      state.counters.append(counters)
    }
    return counters.cells
  }

  /// The calling thread lets go of its counts.
  private static func leave(_ cells: RequestCounters.Cells) {
    let word = cells[RequestCounters.Head.object].load(ordering: .relaxed)
    guard let object = UnsafeRawPointer(bitPattern: UInt(word)) else { return }
    let counters = Unmanaged<RequestCounters>.fromOpaque(object)
    counters.takeUnretainedValue().isLeft.store(true, ordering: .releasing)
    counters.release()
  }

  // MARK: Sums

  private static var none: [OperationStatistics] {
    OperationRow.names.map { OperationStatistics(name: $0) }
  }

  /// What has been counted so far, of the operations that there were requests of. Each number is right; together they are of about the same time.
  public var operations: [OperationStatistics] {
    state.withLock { state in
      state.collectEnded()
      var sums = state.ended
      for counters in state.counters { counters.add(to: &sums) }
      return sums.filter { $0.count > 0 }
    }
  }
}
