extension Reply {
  /// `struct fuse_getxattr_out`, 8 bytes: to GETXATTR and LISTXATTR that ask for 0 bytes.
  public struct ExtendedAttributeSize: ReplyArguments {
    /// Bytes of the value or of the list.
    public var size: UInt32

    @inlinable
    public init(size: UInt32) {
      self.size = size
    }

    @inlinable public static func size(at minor: UInt32) -> Int { 8 }

    @inlinable
    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      precondition(memory.count >= Self.size(at: minor), "the caller gave no room for the reply")
      memory.put(size, at: 0)
      memory.put(UInt32(0), at: 4)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      size = payload.field(0)
    }
  }
}
