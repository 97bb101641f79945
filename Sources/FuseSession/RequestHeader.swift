/// The header of every request, `struct fuse_in_header` (include/uapi/linux/fuse.h), and the operations that this code must
/// tell apart itself.
struct RequestHeader {
  enum Opcode: UInt32 {
    case setattr = 4
    case read = 15
    case write = 16
    case fsync = 20
    case initialize = 26
    case fsyncDirectory = 30
    case interrupt = 36
    case bmap = 37
    case destroy = 38
    case ioctl = 39
    case fallocate = 43
    case lseek = 46
    case copyFileRange = 47
    case syncFileSystem = 50
    case tmpfile = 51
    case statx = 52
    case copyFileRange64 = 53
    // The iomap extension (fuse-iomap ABI 3.1).
    case freeze = 4089
    case unfreeze = 4090
    case shutdown = 4091
    case iomapConfig = 4092
    case iomapIOEnd = 4093
    case iomapBegin = 4094
    case iomapEnd = 4095
  }

  /// Bytes.
  static let size = 40

  let length: UInt32
  let opcode: Opcode?
  let unique: UInt64
  let node: NodeID
  let userID: UInt32
  let groupID: UInt32
  /// The thread of the caller.
  let thread: Int32

  /// `bytes` holds at least a header.
  init(_ bytes: UnsafeRawBufferPointer) {
    length = bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self)
    opcode = Opcode(rawValue: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    unique = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    node = NodeID(bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
    userID = bytes.loadUnaligned(fromByteOffset: 24, as: UInt32.self)
    groupID = bytes.loadUnaligned(fromByteOffset: 28, as: UInt32.self)
    thread = bytes.loadUnaligned(fromByteOffset: 32, as: Int32.self)
  }

  /// How long it keeps whoever serves it, as far as can be told beforehand. What turns out to take long only while it is
  /// served says so then (`Session.willWait`).
  enum Duration {
    case short
    /// Short, unless the device does not keep up with what is written.
    case shortWrite
    case long
  }

  func duration(_ payload: UnsafeRawBufferPointer) -> Duration {
    switch opcode {
    // struct fuse_read_in, struct fuse_write_in: the size at byte 16.
    case .read, .write:
      guard payload.count >= 20,
        payload.loadUnaligned(fromByteOffset: 16, as: UInt32.self) <= Self.quickTransfer
      else { return .long }
      return opcode == .write ? .shortWrite : .short
    case .fallocate, .copyFileRange, .copyFileRange64, .ioctl, .destroy, .freeze, .shutdown:
      return .long
    default: return .short
    }
  }

  /// Bytes that are copied in less time than another thread needs to wake up.
  private static let quickTransfer: UInt32 = 64 << 10
}

/// The header of every reply, `struct fuse_out_header`.
struct ReplyHeader {
  static let size = 16

  var length: UInt32
  /// 0 or a negative errno.
  var error: Int32
  var unique: UInt64
}
