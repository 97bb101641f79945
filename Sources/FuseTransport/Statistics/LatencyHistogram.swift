/// How many requests took how long: four steps for each doubling, from 256 nanoseconds to 137 seconds.
public struct LatencyHistogram: Sendable, Equatable {
  /// The first is for all that is shorter than 256 ns, the last for 2^37 ns and more.
  public static let bucketCount = 118
  /// Requests, by bucket.
  public internal(set) var counts = [UInt64](repeating: 0, count: bucketCount)

  public init() {}

  /// The bucket of a time in nanoseconds.
  @inline(__always)
  public static func bucket(of nanoseconds: UInt64) -> Int {
    guard nanoseconds >= 256 else { return 0 }
    let exponent = 63 - nanoseconds.leadingZeroBitCount
    let step = Int(truncatingIfNeeded: nanoseconds >> UInt64(exponent - 2)) & 3
    return min(1 + (exponent - 8) * 4 + step, bucketCount - 1)
  }

  /// The nanoseconds that all requests of a bucket stay below. Nil for the last bucket, which has no bound.
  public static func bound(of bucket: Int) -> UInt64? {
    guard bucket > 0 else { return 256 }
    guard bucket < bucketCount - 1 else { return nil }
    let (octave, step) = (bucket - 1).quotientAndRemainder(dividingBy: 4)
    return UInt64(5 + step) << UInt64(octave + 6)
  }

  /// All requests.
  public var total: UInt64 { counts.reduce(0, &+) }

  mutating func add(_ nanoseconds: UInt64, times: UInt64 = 1) {
    counts[Self.bucket(of: nanoseconds)] &+= times
  }

  /// Requests that took less than `bound` nanoseconds, which must be the bound of a bucket.
  public func count(below bound: UInt64) -> UInt64 {
    counts.indices.reduce(0) { sum, bucket in
      Self.bound(of: bucket).map { $0 <= bound } == true ? sum &+ counts[bucket] : sum
    }
  }

  /// The nanoseconds that a share (0...1) of all requests stayed below: the bound of a bucket, so that it is too large by up to a quarter. Nil without
  /// requests, and where the share reaches into the last bucket.
  public func quantile(_ share: Double) -> UInt64? {
    let total = total
    guard total > 0 else { return nil }
    let wanted = max(1, UInt64((share * Double(total)).rounded(.up)))
    var sum: UInt64 = 0
    for (bucket, count) in counts.enumerated() {
      sum &+= count
      if sum >= wanted { return Self.bound(of: bucket) }
    }
    return nil
  }
}
