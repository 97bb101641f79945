import SystemPackage

/// An inode in the kernel's memory.
final class KernelInode: @unchecked Sendable {
  let node: UInt64
  /// attr.ino, as `attr_ino` of requests.
  let number: UInt64
  let generation: UInt64
  /// As the reply that first showed it says.
  let flags: AttributeFlags
  let type: UInt32
  /// The kernel does its I/O.
  let usesIomap: Bool
  /// Attributes and ACLs are the kernel's.
  let isExclusive: Bool

  /// i_rwsem: writers and layout changes alone.
  let ioLock: SleepingLock
  /// invalidate_lock: faults against layout changes.
  let invalidateLock: SleepingLock
  let monitor = Monitor()

  // Under `monitor`.
  /// In core.
  var size: UInt64
  /// As the kernel believes it to be on disk.
  var diskSize: UInt64
  var cache: MappingCache?
  var pages: [UInt64: Page] = [:]
  var mode: UInt32
  var links: UInt32
  var uid: UInt32
  var gid: UInt32
  var times: Times
  var areTimesDirty = false
  var lookups: UInt64 = 0
  var opens = 0
  /// RELEASEs that have not been answered: each holds the inode (fuse_release_end).
  var releases = 0
  /// Direct I/O in flight.
  var directRequests = 0
  /// Ranges written back whose IOEND has not been handled.
  var completions: [Completion] = []
  var isCompletionQueued = false
  /// Counts writeback errors; each open file tells once (errseq).
  var errorSequence = 0
  var lastError: Errno?
  var isBad = false
  var isSwapfile = false
  var isEvicting = false
  /// Handlers of BEGIN and IOEND that are running in the server (I-53).
  var mappingHandlers = 0
  var beginsSent: UInt64 = 0
  var completionHandlers = 0

  // What the server is held to.
  /// The size on disk after every size-changing request answered so far (I-15, I-57).
  var expectedDiskSize: UInt64
  /// Goes up when a request that may change the size is sent, and when it is answered.
  var sizeEpoch: UInt64 = 0
  var pendingEnds: [UInt64] = []
  /// Requests on their way that may change mappings.
  var changesInFlight = 0
  /// The last UPSERT tried for it: for I-36 and I-37.
  var upsertFailures: UInt64 = 0
  var upserts: UInt64 = 0
  /// Times that mappings have been dropped for whatever reason but the server's wish.
  var drops: UInt64 = 0

  struct Times: Sendable, Equatable {
    var access: InodeTruth.Time
    var modification: InodeTruth.Time
    var change: InodeTruth.Time
  }

  /// A part of a file that has been written to the device.
  struct Completion {
    var offset: UInt64
    var length: UInt64
    var isUnwritten: Bool
    var address: UInt64
    var device: UInt32
    var error: Errno?
    var pages: [Page]
    /// Not a bio: a folio that could not be mapped.
    var isDiscard = false
  }

  init(
    node: UInt64, generation: UInt64, attributes: Attributes, flags: AttributeFlags,
    usesIomap: Bool, isExclusive: Bool, patience: Int, report: @escaping @Sendable (String) -> Void
  ) {
    self.node = node
    self.generation = generation
    number = attributes.number
    self.flags = flags
    self.usesIomap = usesIomap
    self.isExclusive = isExclusive
    type = attributes.mode & 0o170000
    size = attributes.size
    diskSize = attributes.size
    expectedDiskSize = attributes.size
    mode = attributes.mode
    links = attributes.links
    uid = attributes.uid
    gid = attributes.gid
    times = Times(
      access: attributes.accessTime, modification: attributes.modificationTime,
      change: attributes.changeTime)
    ioLock = SleepingLock("i_rwsem of node \(node)", patience: patience, report: report)
    invalidateLock = SleepingLock(
      "invalidate_lock of node \(node)", patience: patience, report: report)
  }

  var isRegular: Bool { type == 0o100000 }
  var isDirectory: Bool { type == 0o040000 }

  /// Cached mappings of [start, end) are gone, both forks. `monitor` held.
  func dropMappings(from start: UInt64, to end: UInt64, maximum: UInt64) {
    drops += 1
    cache?.remove(.read, from: start, to: end, maximum: maximum)
    cache?.remove(.write, from: start, to: end, maximum: maximum)
  }

  /// The file grows, or stays. The page of the old end must fault again, so that its new blocks are
  /// asked for. `monitor` held.
  func raiseSize(to newSize: UInt64, pageSize: UInt64) {
    guard newSize > size else { return }
    pages[size / pageSize]?.isWritable = false
    size = newSize
  }

  func noteWritebackError(_ error: Errno) {
    monitor.withLock {
      errorSequence += 1
      lastError = error
    }
  }

  /// A request that may change mappings goes out.
  func changeBegins() {
    monitor.withLock {
      changesInFlight += 1
    }
  }

  func changeEnded() {
    monitor.withLock {
      changesInFlight -= 1
    }
  }
}

extension SimulatedKernel {
  /// What attr-bearing replies say (`struct fuse_attr`).
  public struct Attributes: Sendable, Equatable {
    public var number: UInt64
    public var size: UInt64
    public var blocks: UInt64
    public var accessTime: InodeTruth.Time
    public var modificationTime: InodeTruth.Time
    public var changeTime: InodeTruth.Time
    public var mode: UInt32
    public var links: UInt32
    public var uid: UInt32
    public var gid: UInt32
    public var device: UInt32
    public var blockSize: UInt32
    /// As they came.
    public var flags: UInt32

    init(_ reader: MessageReader, at offset: Int) {
      func time(_ seconds: Int, _ nanoseconds: Int) -> InodeTruth.Time {
        InodeTruth.Time(
          seconds: reader.i64(offset + seconds), nanoseconds: reader.u32(offset + nanoseconds))
      }
      number = reader.u64(offset)
      size = reader.u64(offset + 8)
      blocks = reader.u64(offset + 16)
      accessTime = time(24, 48)
      modificationTime = time(32, 52)
      changeTime = time(40, 56)
      mode = reader.u32(offset + 60)
      links = reader.u32(offset + 64)
      uid = reader.u32(offset + 68)
      gid = reader.u32(offset + 72)
      device = reader.u32(offset + 76)
      blockSize = reader.u32(offset + 80)
      flags = reader.u32(offset + 84)
    }
  }
}
