/// How long the kernel may rely on an answer without asking again.
public struct CacheTimeout: Hashable, Sendable {
  public var seconds: UInt64
  /// 0...999,999,999.
  public var nanoseconds: UInt32

  @inlinable
  public init(seconds: UInt64, nanoseconds: UInt32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
}
