import Glibc

/// A point in time with nanoseconds, as ext4 stores it: 34 bits of seconds, 1901 to 2446.
///
/// On disk: 32 bits of seconds in the base field, and in the extra field (where the inode has room for it)
/// two bits that extend the seconds and 30 bits of nanoseconds (fs/ext4/ext4.h, "Extended fields will fit").
public struct Timestamp: Hashable, Sendable {
  public var seconds: Int64
  /// 0 to 999,999,999.
  public var nanoseconds: UInt32

  public init(seconds: Int64, nanoseconds: UInt32) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  init(base: UInt32, extra: UInt32) {
    seconds = Int64(Int32(bitPattern: base)) + (Int64(extra & 3) << 32)
    nanoseconds = min(extra >> 2, 999_999_999)
  }

  /// The two on-disk fields. What they cannot hold becomes the nearest whole second that they can (timestamp_truncate).
  var encoded: (base: UInt32, extra: UInt32) {
    let time = clamped(to: Int64(Int32.min)...0x3_7FFF_FFFF)
    let base = UInt32(truncatingIfNeeded: time.seconds)
    let epoch = UInt32(
      truncatingIfNeeded: (time.seconds - Int64(Int32(bitPattern: base))) >> 32)
    return (base, time.nanoseconds << 2 | epoch & 3)
  }

  /// The base field alone, for inodes without room for the other: 1901 to 2038.
  var encodedBase: UInt32 {
    UInt32(bitPattern: Int32(clamped(to: Int64(Int32.min)...Int64(Int32.max)).seconds))
  }

  private func clamped(to range: ClosedRange<Int64>) -> Timestamp {
    if seconds <= range.lowerBound { return Timestamp(seconds: range.lowerBound, nanoseconds: 0) }
    if seconds >= range.upperBound { return Timestamp(seconds: range.upperBound, nanoseconds: 0) }
    return self
  }

  public static var now: Timestamp {
    var time = timespec()
    // As the kernel does for inode times: the coarse clock, which other times of this machine agree with.
    clock_gettime(CLOCK_REALTIME_COARSE, &time)
    return Timestamp(seconds: Int64(time.tv_sec), nanoseconds: UInt32(time.tv_nsec))
  }
}

extension Timestamp: Comparable {
  public static func < (a: Self, b: Self) -> Bool {
    (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds)
  }
}
