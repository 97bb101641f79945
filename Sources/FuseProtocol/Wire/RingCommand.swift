/// `struct fuse_uring_cmd_req`, 24 bytes, which stand in the command area of a submission (IORING_OP_URING_CMD). Since 7.42.
public struct RingCommand: Hashable, Sendable {
  /// What stands in the submission's `cmd_op`: `enum fuse_uring_cmd`.
  public enum Operation: UInt32, Sendable {
    /// FUSE_IO_URING_CMD_REGISTER: an entry is there for requests. The submission's address and length are an array of two iovecs, for the
    /// entry's `RingHeader` and for its payload.
    case register = 1
    /// FUSE_IO_URING_CMD_COMMIT_AND_FETCH: the reply is ready, and the entry is there for the next request.
    case commitAndFetch = 2
  }

  /// In bytes.
  @inlinable public static var size: Int { 24 }

  /// `RingHeader.commitID`; 0 with `register`.
  public var commitID: UInt64
  /// The number of the queue, which is that of a processor.
  public var queue: UInt16

  @inlinable
  public init(queue: UInt16, commitID: UInt64 = 0) {
    self.queue = queue
    self.commitID = commitID
  }

  /// Writes the first `size` bytes of `memory`, which must have them.
  @inlinable
  public func encode(into memory: UnsafeMutableRawBufferPointer) {
    memory.clear(Self.size)
    memory.put(commitID, at: 8)
    memory.put(queue, at: 16)
  }
}
