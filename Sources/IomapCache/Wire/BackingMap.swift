extension IomapWire {
  /// `fuse_backing_map`: registers a block device (fuse-iomap ABI 3.4.12).
  public struct BackingMap: Payload {
    public static var size: Int { 16 }

    /// Of an open block device.
    public var fd: Int32
    /// What it is to be used for: the low 8 bits of the flags.
    public var purpose: Purpose

    public enum Purpose: UInt32, Hashable, Sendable {
      case passthrough = 0
      case iomap = 1
    }

    @inlinable
    public init(fd: Int32, purpose: Purpose = .iomap) {
      self.fd = fd
      self.purpose = purpose
    }

    /// Nil also with any other flags, or padding that is not zero, both of which the kernel refuses.
    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count >= Self.size, let purpose = Purpose(rawValue: payload.field(4)),
        payload.field(8) as UInt64 == 0
      else { return nil }
      fd = payload.field(0)
      self.purpose = purpose
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      buffer.clear(Self.size)
      buffer.put(fd, at: 0)
      buffer.put(purpose.rawValue, at: 4)
    }
  }
}
