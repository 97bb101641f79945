extension Reply {
  /// `struct fuse_statx_out`, 288 bytes: to STATX. Since 7.39.
  public struct Statx: ReplyArguments {
    public var timeout: CacheTimeout
    public var status: FileStatus

    @inlinable
    public init(timeout: CacheTimeout, status: FileStatus) {
      self.timeout = timeout
      self.status = status
    }

    @inlinable
    public static func size(at minor: UInt32) -> Int { 32 + FileStatus.size }

    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      memory.clear(Self.size(at: minor))
      memory.put(timeout.seconds, at: 0)
      memory.put(timeout.nanoseconds, at: 8)
      status.encode(into: memory.from(32))
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      timeout = CacheTimeout(seconds: payload.field(0), nanoseconds: payload.field(8))
      status = FileStatus(UnsafeRawBufferPointer(rebasing: payload[32...]))
    }
  }
}
