/// `struct fuse_in_header`, 40 bytes: the head of every request.
public struct RequestHeader: Hashable, Sendable {
  /// In bytes.
  @inlinable public static var size: Int { 40 }

  /// Bytes of the whole request, header included, as the request says.
  public var length: UInt32
  /// The number of the operation, which need not be one that is known.
  public var rawOpcode: UInt32
  /// The number of the request, which the reply repeats. Bit 63 is set in a request that the kernel sends again (`isResent`).
  public var unique: UInt64
  /// The node that the request is about; 0 where it is about none.
  public var nodeID: UInt64
  /// The file system user id of the caller. Without meaning where the kernel itself asks, and `UInt32.max` where a mount with mapped ids
  /// has no id for the caller (FUSE_INVALID_UIDGID).
  public var userID: UInt32
  /// The same for the group.
  public var groupID: UInt32
  /// The thread of the caller in this process's namespace of process ids; 0 where it has none there.
  public var processID: UInt32
  /// The bytes at the end of the request that are extensions (`total_extlen`, in units of 8 bytes on the wire). Since 7.38; the field was
  /// padding, and zero, before.
  public var extensionLength: Int

  /// The operation; nil for one that this module does not know.
  @inlinable public var opcode: Opcode? { Opcode(rawValue: rawOpcode) }

  /// FUSE_UNIQUE_RESEND: the kernel sends this request a second time, after a RESEND notification. Since 7.40.
  @inlinable public var isResent: Bool { unique >> 63 != 0 }

  /// Reads the header at the beginning of `request`. Nil when there are fewer than `size` bytes.
  @inlinable
  public init?(_ request: UnsafeRawBufferPointer) {
    guard request.count >= Self.size else { return nil }
    self.init(unchecked: request)
  }

  /// The same for a request that is known to have `size` bytes at least.
  @inlinable
  public init(unchecked request: UnsafeRawBufferPointer) {
    length = request.field(0)
    rawOpcode = request.field(4)
    unique = request.field(8)
    nodeID = request.field(16)
    userID = request.field(24)
    groupID = request.field(28)
    processID = request.field(32)
    extensionLength = Int(request.field(36, as: UInt16.self)) * 8
  }
}
