// Numbers of the protocol (ABI 3), this double's own transcription.

/// Request opcodes.
enum Opcode: UInt32, CaseIterable, Sendable {
  case lookup = 1
  case forget, getattr, setattr, readlink, symlink
  case mknod = 8
  case mkdir, unlink, rmdir
  case rename, link, open, read, write, statfs, release
  case fsync = 20
  case setxattr, getxattr, listxattr
  case removexattr, flush, initialize, opendir, readdir, releasedir, fsyncdir
  case access = 34
  case create, interrupt, bmap, destroy, ioctl
  case batchForget = 42
  case fallocate
  case readdirplus, rename2, lseek, copyFileRange
  case syncfs = 50
  case tmpfile, statx
  case copyFileRange64
  case freeze = 4089
  case unfreeze, shutdown, config, ioend, begin, end

  /// Requests that are never answered.
  var isOneWay: Bool { self == .forget || self == .batchForget || self == .interrupt }
}

/// Notification codes.
enum NotificationCode {
  static let invalidateInode: Int32 = 2
  static let invalidateEntry: Int32 = 3
  static let store: Int32 = 4
  static let retrieve: Int32 = 5
  static let delete: Int32 = 6
  static let resend: Int32 = 7
  static let incrementEpoch: Int32 = 8
  static let prune: Int32 = 9
  static let deviceInvalidate: Int32 = 99
  static let upsert: Int32 = 100
  static let invalidate: Int32 = 101
}

/// Mapping types (ABI 3.2).
enum MappingType {
  static let hole: UInt16 = 0
  static let delalloc: UInt16 = 1
  static let mapped: UInt16 = 2
  static let unwritten: UInt16 = 3
  static let inline: UInt16 = 4
  static let noCache: UInt16 = 253
  static let retryCache: UInt16 = 254
  static let pureOverwrite: UInt16 = 255
}

/// Mapping flags (ABI 3.2).
enum MappingFlags {
  static let new: UInt16 = 1 << 0
  static let dirty: UInt16 = 1 << 1
  static let shared: UInt16 = 1 << 2
  static let merged: UInt16 = 1 << 3
  static let boundary: UInt16 = 1 << 4
  static let anonymousWrite: UInt16 = 1 << 5
  static let atomicBIO: UInt16 = 1 << 6
  static let wantEnd: UInt16 = 1 << 7
  static let sizeChanged: UInt16 = 1 << 8
  static let stale: UInt16 = 1 << 9
  static let allowed: UInt16 = 0xff
  /// I-26.
  static let neverFromServer = new | shared | anonymousWrite | wantEnd | sizeChanged | stale
}

/// What the kernel is about to do with a mapping (ABI 3.2).
struct OperationFlags: OptionSet, Hashable, Sendable {
  let rawValue: UInt32

  static let write = OperationFlags(rawValue: 0x1)
  static let zero = OperationFlags(rawValue: 0x2)
  static let report = OperationFlags(rawValue: 0x4)
  static let fault = OperationFlags(rawValue: 0x8)
  static let direct = OperationFlags(rawValue: 0x10)
  static let nowait = OperationFlags(rawValue: 0x20)
  static let overwriteOnly = OperationFlags(rawValue: 0x40)
  static let unshare = OperationFlags(rawValue: 0x80)
  static let atomic = OperationFlags(rawValue: 0x200)
  static let dontCache = OperationFlags(rawValue: 0x400)
  static let swapfile = OperationFlags(rawValue: 0x4000_0000)
  static let writeback = OperationFlags(rawValue: 0x8000_0000)

  /// "Write class" of the document.
  var isWriteClass: Bool { !isDisjoint(with: [.write, .zero, .unshare, .writeback]) }
  /// The look-up in the cache comes only after the server has been asked (5.2).
  var skipsCache: Bool { !isDisjoint(with: [.atomic, .swapfile]) }

  var name: String {
    if contains(.writeback) { return "writeback" }
    if contains(.swapfile) { return "swapfile" }
    if contains(.report) { return "report" }
    if contains(.zero) { return "zero" }
    if contains(.atomic) { return "atomic" }
    if contains(.fault) { return "fault" }
    let direct = contains(.direct) ? "direct " : ""
    return direct + (contains(.write) ? "write" : "read")
  }
}

/// What has been completed (ABI 3.2).
enum CompletionFlags {
  static let shared: UInt32 = 0x01
  static let unwritten: UInt32 = 0x02
  static let direct: UInt32 = 0x08
  static let append: UInt32 = 0x10
  static let writeback: UInt32 = 0x20
  static let swapoff: UInt32 = 0x40
}

/// The fields of IOMAP_CONFIG (ABI 3.2).
enum ConfigFlags {
  static let id: UInt64 = 0x01
  static let uuid: UInt64 = 0x02
  static let blockSize: UInt64 = 0x04
  static let maxLinks: UInt64 = 0x08
  static let time: UInt64 = 0x10
  static let maxBytes: UInt64 = 0x20
  static let cacheMaxBytes: UInt64 = 0x40
}

/// INIT flags the double cares about.
enum InitFlags {
  static let atomicTruncate: UInt32 = 1 << 3
  static let doNotMask: UInt32 = 1 << 6
  static let noOpenSupport: UInt32 = 1 << 17
  static let posixACL: UInt32 = 1 << 20
  static let extended: UInt32 = 1 << 30
  static let iomap: UInt32 = 0x800
}

/// FATTR_* of SETATTR.
enum AttributeMask {
  static let mode: UInt32 = 1 << 0
  static let uid: UInt32 = 1 << 1
  static let gid: UInt32 = 1 << 2
  static let size: UInt32 = 1 << 3
  static let accessTime: UInt32 = 1 << 4
  static let modificationTime: UInt32 = 1 << 5
  static let handle: UInt32 = 1 << 6
  static let changeTime: UInt32 = 1 << 10
}

/// FOPEN_* of OPEN and CREATE replies.
enum OpenReplyFlags {
  static let directIO: UInt32 = 1 << 0
  static let keepCache: UInt32 = 1 << 1
  static let nonseekable: UInt32 = 1 << 2
  static let stream: UInt32 = 1 << 4
  static let passthrough: UInt32 = 1 << 7
}

/// Values with a meaning of their own.
enum Special {
  static let nullAddress = UInt64.max
  static let toEOF = UInt64.max
}

/// The attr flags of a revision (ABI 2.6).
struct AttributeFlags: OptionSet, Hashable, Sendable {
  let rawValue: UInt8

  static let exclusive = AttributeFlags(rawValue: 1)
  static let iomap = AttributeFlags(rawValue: 2)
  static let atomic = AttributeFlags(rawValue: 4)
  static let sync = AttributeFlags(rawValue: 8)
  static let immutable = AttributeFlags(rawValue: 16)
  static let append = AttributeFlags(rawValue: 32)

  init(rawValue: UInt8) { self.rawValue = rawValue }

  /// As the kernel of a revision reads the bits; SUBMOUNT and DAX are not among them.
  init(wire: UInt32, revision: Revision) {
    switch revision {
    case .v7: rawValue = UInt8(truncatingIfNeeded: (wire >> 2) & 0x3f)
    case .v6:
      let bits = UInt8(truncatingIfNeeded: (wire >> 2) & 0x1f)
      // Exclusive mode is implied.
      rawValue = (bits << 1) | (bits & 1)
    }
  }
}
