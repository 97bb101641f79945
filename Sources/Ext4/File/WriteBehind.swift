import Synchronization

/// When written data goes on its way to the disk: as soon as there is a good piece of it, so that the disk works while more is
/// written, and an fsync finds most of the work done.
///
/// What the daemon is given to write comes of the kernel's writeback, or goes around its cache: either way it has waited in memory
/// long enough. Where the kernel has written single blocks of a range earlier, the rest comes in many pieces, one soon after the other;
/// these are gathered by windows of the device. Threads that write the same file at once may lose count of each other's: then the data waits
/// for the fsync.
struct WriteBehind: ~Copyable {
  /// Bytes; a power of two.
  private static let windowSize: UInt64 = 1 << 20
  /// Bytes that are worth a request to the disk.
  private static let piece: UInt64 = 256 << 10

  /// The last window in which a piece was written, times `windowSize`, plus the bytes written there, which are fewer than that.
  private let last = Atomic<UInt64>(0)

  /// `count` bytes were written at `address` of the device. Returns the range that is to be written out now.
  func note(_ count: Int, at address: UInt64) -> Range<UInt64>? {
    let count = UInt64(count)
    guard count < Self.piece else { return address..<address + count }
    let window = address & ~(Self.windowSize - 1)
    let previous = last.load(ordering: .relaxed)
    let gathered = previous % Self.windowSize
    guard previous - gathered != window else {
      last.store(window + min(gathered + count, Self.windowSize - 1), ordering: .relaxed)
      return nil
    }
    last.store(window + count, ordering: .relaxed)
    guard gathered >= Self.piece else { return nil }
    return previous - gathered..<previous - gathered + Self.windowSize
  }
}
