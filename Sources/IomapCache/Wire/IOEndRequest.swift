extension IomapWire {
  /// `fuse_iomap_ioend_in`: data has reached the device, or has not (fuse-iomap ABI 3.4.6, 4.5).
  public struct IOEndRequest: Hashable, Sendable {
    public var flags: IOEndFlags
    /// 0, or the errno of the I/O below zero.
    public var error: Int32
    public var attributeInode: UInt64
    /// First byte of the file that was written.
    public var position: UInt64
    /// For writeback where the I/O began on the device, in sectors of 512 bytes, although it is described
    /// as bytes; otherwise `nullAddress` (fuse-iomap ABI 10 and 12).
    public var newAddress: UInt64
    /// Bytes; in v6 only the low 32 bits of them.
    public var written: UInt64
    /// For writeback in v7; otherwise `none`.
    public var device: DeviceCookie

    @inlinable
    public init(
      flags: IOEndFlags, error: Int32 = 0, attributeInode: UInt64, position: UInt64,
      newAddress: UInt64 = IomapWire.nullAddress, written: UInt64, device: DeviceCookie = .none
    ) {
      self.flags = flags
      self.error = error
      self.attributeInode = attributeInode
      self.position = position
      self.newAddress = newAddress
      self.written = written
      self.device = device
    }

    /// Nil when `payload` is shorter than `revision` has it.
    public init?(_ payload: UnsafeRawBufferPointer, _ revision: IomapRevision) {
      guard payload.count >= revision.ioEndRequestSize else { return nil }
      flags = IOEndFlags(rawValue: payload.field(0))
      error = payload.field(4)
      attributeInode = payload.field(8)
      position = payload.field(16)
      newAddress = payload.field(24)
      switch revision {
      case .v6:
        written = UInt64(payload.field(32, as: UInt32.self))
        device = .none
      case .v7:
        written = payload.field(32)
        device = DeviceCookie(rawValue: payload.field(40))
      }
    }

    /// Writes the `ioEndRequestSize` bytes of `revision`; v6 loses the device and the high bits of `written`.
    public func encode(into buffer: UnsafeMutableRawBufferPointer, for revision: IomapRevision) {
      buffer.clear(revision.ioEndRequestSize)
      buffer.put(flags.rawValue, at: 0)
      buffer.put(error, at: 4)
      buffer.put(attributeInode, at: 8)
      buffer.put(position, at: 16)
      buffer.put(newAddress, at: 24)
      switch revision {
      case .v6:
        buffer.put(UInt32(truncatingIfNeeded: written), at: 32)
      case .v7:
        buffer.put(written, at: 32)
        buffer.put(device.rawValue, at: 40)
      }
    }
  }
}
