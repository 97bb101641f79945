/// A time, in seconds and nanoseconds since 1970. From the other side: the nanoseconds may be anything.
public struct Timestamp: Hashable, Sendable {
  public var seconds: Int64
  /// 0...999,999,999.
  public var nanoseconds: UInt32

  @inlinable
  public init(seconds: Int64, nanoseconds: UInt32) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
}
