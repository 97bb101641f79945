/// `struct fuse_file_lock`: a lock of fcntl(2) or flock(2) on a range of a file.
public struct FileLock: Hashable, Sendable {
  /// In bytes.
  static var size: Int { 24 }

  /// First byte.
  public var start: UInt64
  /// Last byte, itself within the lock; `Int64.max` for one that reaches to the end of the file.
  public var end: UInt64
  /// F_RDLCK, F_WRLCK or F_UNLCK of fcntl(2).
  public var type: UInt32
  /// Of the process that has the lock.
  public var processID: UInt32

  @inlinable
  public init(start: UInt64, end: UInt64, type: UInt32, processID: UInt32) {
    self.start = start
    self.end = end
    self.type = type
    self.processID = processID
  }

  /// `fields` has `size` bytes.
  init(_ fields: UnsafeRawBufferPointer) {
    start = fields.field(0)
    end = fields.field(8)
    type = fields.field(16)
    processID = fields.field(20)
  }
}
