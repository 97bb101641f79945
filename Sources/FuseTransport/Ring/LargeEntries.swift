/// The entries of a thread whose payloads a large transfer has touched: their memory is given back when none has come for a while.
///
/// What the kernel has copied into an entry is there to be seen before it is trimmed: requests are copied in when the thread waits, and at no other time
/// (`RingThread`).
struct LargeEntries {
  /// Seconds without a request after which they are trimmed.
  static let patience = 1

  private var indices: Set<Int> = []
  /// Entries that may not be trimmed, since a request is being served there.
  var isWithServer: [Bool]

  init(count: Int = 0) { isWithServer = Array(repeating: false, count: count) }

  var isEmpty: Bool { indices.isEmpty }

  /// A large transfer has been served in an entry.
  mutating func note(_ index: Int) { indices.insert(index) }

  /// No request has come for a while, and none is to be seen.
  mutating func trim(_ entries: [RingEntry]) {
    for index in indices where !isWithServer[index] {
      entries[index].trim()
      indices.remove(index)
    }
  }
}
