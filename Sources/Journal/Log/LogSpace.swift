/// A place in the log where a transaction begins, or will begin.
struct LogPosition: Hashable, Sendable {
  /// The first block of the transaction.
  let block: UInt32
  /// The number of the transaction.
  let sequence: UInt32
}

/// Which blocks of the ring are in use: those from the durable tail to the head. The tail that a checkpoint intends is not known
/// here, so that no commit can use the space in front of it too early.
struct LogSpace: Sendable {
  private let ring: Range<UInt32>
  /// Nil before the log has begun and after it has ended: nothing can be written then.
  private(set) var tail: DurableTail?
  /// Where the next transaction will be.
  private(set) var head: LogPosition

  init(ring: Range<UInt32>, head: LogPosition) {
    self.ring = ring
    self.head = head
  }

  var isEmpty: Bool { tail.map { $0.position == head } ?? true }

  var usedBlockCount: Int {
    guard let tail else { return 0 }
    return (Int(head.block) - Int(tail.position.block) + ring.count) % ring.count
  }

  /// Whether `count` blocks from the head on may be written. One always stays free, or a full log would look like an empty one.
  func hasRoom(for count: UInt32) -> Bool {
    tail != nil && ring.count - usedBlockCount > Int(count)
  }

  /// The block that is `count` behind `block`.
  func place(_ block: UInt32, plus count: UInt32) -> UInt32 {
    ring.lowerBound + (block - ring.lowerBound + count) % UInt32(ring.count)
  }

  /// A transaction of `count` blocks is in the log.
  mutating func append(_ count: UInt32) {
    head = LogPosition(block: place(head.block, plus: count), sequence: head.sequence &+ 1)
  }

  /// What is in front of `tail` may be overwritten; with nil, nothing may be.
  mutating func moveTail(to tail: DurableTail?) { self.tail = tail }
}
