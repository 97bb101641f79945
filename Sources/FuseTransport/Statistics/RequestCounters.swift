import Glibc
import Synchronization

/// The counts of one thread: it alone changes them, and any thread reads them. So no request writes to memory that another processor writes to.
///
/// A cell is written by a load and a store, which cost what they cost for a plain integer. Pages that are never touched take no memory.
final class RequestCounters: @unchecked Sendable {
  typealias Cells = UnsafeMutablePointer<Atomic<UInt64>>

  /// The cells before the rows.
  enum Head {
    /// The number of the statistics that the counts belong to.
    static let owner = 0
    /// The object, which the thread owns.
    static let object = 1
    /// Nanoseconds that the thread has waited since its last reply.
    static let lockTime = 2
    static let deviceTime = 3
    static let size = 16
  }

  /// The cells of a row.
  enum Cell {
    static let time = 0
    static let longest = 1
    static let errors = 2
    static let bytes = 3
    static let lockTime = 4
    static let deviceTime = 5
    static let firstBucket = 8
    static let rowSize = 128
  }

  private static let byteCount =
    (Head.size + OperationRow.count * Cell.rowSize) * MemoryLayout<UInt64>.stride

  let cells: Cells
  /// The thread counts elsewhere from now on, or has ended.
  let isLeft = Atomic<Bool>(false)

  /// Nil when the system gives no more memory.
  init?(owner: UInt64) {
    let memory = mmap(
      nil, Self.byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    guard let memory, memory != MAP_FAILED else { return nil }
    // Zeros are what an atomic zero consists of.
    cells = memory.bindMemory(
      to: Atomic<UInt64>.self, capacity: Self.byteCount / MemoryLayout<UInt64>.stride)
    cells[Head.owner].store(owner, ordering: .relaxed)
  }

  deinit { munmap(cells, Self.byteCount) }

  @inline(__always)
  static func row(_ index: Int, of cells: Cells) -> Cells {
    cells + (Head.size + index * Cell.rowSize)
  }

  @inline(__always)
  static func add(_ value: UInt64, to cell: Int, of cells: Cells) {
    cells[cell].store(cells[cell].load(ordering: .relaxed) &+ value, ordering: .relaxed)
  }

  /// Adds what was counted, by any thread.
  func add(to sums: inout [OperationStatistics]) {
    for index in 0..<OperationRow.count {
      let row = Self.row(index, of: cells)
      func value(_ cell: Int) -> UInt64 { row[cell].load(ordering: .relaxed) }
      for bucket in 0..<LatencyHistogram.bucketCount {
        sums[index].latency.counts[bucket] &+= value(Cell.firstBucket + bucket)
      }
      sums[index].time &+= value(Cell.time)
      sums[index].longest = max(sums[index].longest, value(Cell.longest))
      sums[index].errors &+= value(Cell.errors)
      sums[index].bytes &+= value(Cell.bytes)
      sums[index].lockTime &+= value(Cell.lockTime)
      sums[index].deviceTime &+= value(Cell.deviceTime)
    }
  }
}
