import Glibc
import Synchronization
import SystemPackage

/// The kernel's side of FUSE with the iomap extension, as ABI 8.0 describes it.
///
/// The daemon runs in the same process: it reads requests from `daemonDescriptor` and writes its
/// replies to it. What would be an ioctl or a write(2) of a notification is a direct call, applied on
/// the calling thread. The image is the block device; file data goes to it with pread and pwrite.
///
/// Lock order, outermost first: an inode's `ioLock`, its `invalidateLock`, a page's `isLocked`, the
/// kernel's `monitor`, an inode's, the ledger's. Upcalls are made with the first three only.
public final class SimulatedKernel: @unchecked Sendable {
  public let configuration: Configuration
  public let rules: RuleBook
  public let image: FilePath
  /// What is on disk, read afresh at every question.
  public let oracle: any DiskOracle
  /// The server's end of the connection.
  public var daemonDescriptor: CInt { connection.daemonDescriptor }

  let connection: Connection
  let board = CounterBoard()
  let ledger: DeviceLedger
  let device: BlockDeviceFile
  /// Random decisions of the kernel itself.
  let chance: Chance
  let monitor = Monitor()

  // Under `monitor`.
  var nodes: [UInt64: KernelInode] = [:]
  /// The live node of an inode number (I-13).
  var nodeOfNumber: [UInt64: UInt64] = [:]
  /// Forgotten to zero: from when on notifications about them are wrong, the FORGET surely read.
  var forgotten: [UInt64: Deadline] = [:]
  var devices: [UInt32: RegisteredDevice] = [:]
  var phase = Phase.unmounted
  var session = Session()
  var isDestroying = false
  var completionQueue: [KernelInode] = []
  var dirtyInodes: [UInt64: KernelInode] = [:]
  var isWritebackEnabled = true
  var leavesWritebackAlone = 0
  /// Requests whose handlers must not send notifications (I-45), by node.
  var quietHandlers: [UInt64: Int] = [:]
  /// Senders of notifications say which request they handle, so that this need not be guessed.
  let knowsHandlers = Atomic<Bool>(false)

  public static let root: UInt64 = 1

  enum Phase { case unmounted, configuring, running, destroying, over }

  /// What INIT and CONFIG agreed on.
  struct Session: Sendable {
    var usesIomap = false
    var minor: UInt32 = 0
    var maximumWrite: UInt32 = 4096
    var blockSize: UInt64 = 4096
    var maximumBytes: UInt64 = UInt64(Int64.max)
    var cacheLimit = 0
    var timeGranularity: UInt32 = 1
    var hasPosixACL = false
    var hasLongSetxattr = false
    var doesNotMask = false
    var hasNoEnd = false
    var hasNoCompletion = false
    var hasNoSyncfs = false
    var hasNoFsync = false
    var hasNoStatx = false
    var hasNoFlush = false
    var hasNoFallocate = false
  }

  struct RegisteredDevice: Sendable {
    let cookie: UInt32
    let size: UInt64
  }

  /// Has the server bring home what its journal holds, so that what is committed can be read from the disk.
  public let beforeReadingDisk = Mutex<(@Sendable () -> Void)?>(nil)

  /// - Parameters:
  ///   - image: the image that serves as the block device.
  ///   - oracle: what is on disk; nil: `DiskTruth` of the image.
  public init(
    _ configuration: Configuration = .init(), image: FilePath, rules: RuleBook,
    oracle: (any DiskOracle)? = nil
  ) throws {
    self.configuration = configuration
    self.image = image
    self.rules = rules
    let disk = try BlockDeviceFile(image, configuration: configuration)
    device = disk
    self.oracle = try oracle ?? DiskTruth(image)
    chance = Chance(seed: configuration.seed)
    connection = try Connection(configuration: configuration, rules: rules, counters: board)
    ledger = DeviceLedger(
      size: disk.size, blockSize: self.oracle.blockSize, rules: rules, configuration: configuration,
      device: disk, history: connection.history)
    session.cacheLimit =
      configuration.revision == .v7 ? Int(configuration.cacheMaximumBytes) : 0
    connection.onNotification = { [weak self] message in
      _ = message.withUnsafeBytes { self?.notify($0) }
    }
    connection.onSend = { [weak self] request in
      guard request.opcode == .release else { return }
      self?.monitor.withLock { self?.quietHandlers[request.node, default: 0] += 1 }
    }
  }

  /// Numbers of requests and notifications so far.
  public var counters: Counters { board.snapshot }

  func inode(_ node: UInt64) throws(Errno) -> KernelInode {
    guard let inode = monitor.withLock({ nodes[node] }) else { throw .staleNFSFileHandle }
    return inode
  }

  var blockSize: UInt64 { session.blockSize }
  var pageSize: UInt64 { configuration.pageSize }
}

extension Errno {
  /// What the kernel calls EFSCORRUPTED.
  static let corrupted = Errno(rawValue: Glibc.EUCLEAN)
  static let connectionAbort = Errno(rawValue: Glibc.ECONNABORTED)
  static let staleNFSFileHandle = Errno(rawValue: Glibc.ESTALE)
  static let noDevice = Errno(rawValue: Glibc.ENODEV)
  static let unsupported = Errno(rawValue: Glibc.EOPNOTSUPP)
}
