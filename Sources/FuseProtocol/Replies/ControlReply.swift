extension Reply {
  /// `struct fuse_ioctl_out`, 16 bytes, before the output of an IOCTL, or before as many `IoctlVector` as it counts. Since 7.11.
  public struct Control: ReplyArguments {
    /// What ioctl(2) returns; below zero an errno.
    public var result: Int32
    /// `retry`, or none.
    public var flags: IoctlFlags
    /// With `retry`: how many vectors tell where the input is; with those of the output 256 at most (FUSE_IOCTL_MAX_IOV).
    public var inputVectors: UInt32
    /// The same for the output.
    public var outputVectors: UInt32

    @inlinable
    public init(
      result: Int32, flags: IoctlFlags = [], inputVectors: UInt32 = 0, outputVectors: UInt32 = 0
    ) {
      self.result = result
      self.flags = flags
      self.inputVectors = inputVectors
      self.outputVectors = outputVectors
    }

    @inlinable public static func size(at minor: UInt32) -> Int { 16 }

    @inlinable
    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      precondition(memory.count >= Self.size(at: minor), "the caller gave no room for the reply")
      memory.put(result, at: 0)
      memory.put(flags.rawValue, at: 4)
      memory.put(inputVectors, at: 8)
      memory.put(outputVectors, at: 12)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      result = payload.field(0)
      flags = IoctlFlags(rawValue: payload.field(4))
      inputVectors = payload.field(8)
      outputVectors = payload.field(12)
    }
  }

  /// `struct fuse_ioctl_iovec`, 16 bytes: memory of the caller that an IOCTL without restrictions wants to read or write. Since 7.16.
  public struct IoctlVector: ReplyArguments {
    /// The address in the caller.
    public var base: UInt64
    /// Bytes.
    public var length: UInt64

    @inlinable
    public init(base: UInt64, length: UInt64) {
      self.base = base
      self.length = length
    }

    @inlinable public static func size(at minor: UInt32) -> Int { 16 }

    @inlinable
    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      precondition(memory.count >= Self.size(at: minor), "the caller gave no room for the reply")
      memory.put(base, at: 0)
      memory.put(length, at: 8)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      base = payload.field(0)
      length = payload.field(8)
    }
  }
}
