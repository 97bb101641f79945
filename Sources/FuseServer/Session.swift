import CFuse3
import FuseProtocol
import FuseTransport
import Glibc
import IomapCache
import Logging
import Synchronization
import SystemPackage

/// A mounted FUSE file system: the connection to the kernel, and the threads that serve it.
public final class Session: @unchecked Sendable {
  public struct Options: Sendable {
    /// What stands behind `-o` for libfuse: `fsname=…`, `ro`, `allow_other` and the like, each with commas escaped.
    public var mountOptions: [String] = []
    /// Threads that serve requests; 1 for one after the other.
    public var workerCount = 4
    /// The kernel is to enforce ACLs.
    public var accessControlLists = true
    /// The mount may be given other ids by mount_setattr(2). Only with `default_permissions` among the mount options.
    public var mappedIDs = false
    /// The file system is asked each time a program opens a file.
    public var checksOpening = false
    /// What the file system can tell times apart by, in nanoseconds: 1 to 1,000,000,000.
    public var timeGranularity: UInt32 = 1
    /// Processors do not sleep while requests come one soon after the other, if this process may have it so.
    public var keepsProcessorsAwake = false
    /// /dev/cpu_dma_latency, where another process has opened it for this one; the session closes it.
    public var wakefulnessDescriptor: CInt?
    /// Requests are to come over io_uring, where the kernel offers that and there is more than one worker.
    public var usesRing = false
    /// Gets a line for each request, each reply and each notification, from any thread. Nil for none, which costs nothing.
    public var trace: (@Sendable (String) -> Void)?

    public init() {}
  }

  public enum Failure: Error, Sendable {
    /// libfuse refused an option; it has said on standard error which.
    case options
    /// There is not enough memory for requests.
    case memory
    /// Mounting failed; libfuse or fusermount3 has said on standard error why.
    case mount
  }

  /// libfuse's session, which mounts and unmounts, and does nothing else.
  private let mounting: OpaquePointer
  let dispatch: Dispatch
  let channel: any KernelChannel
  private let options: Options
  private let trace: RequestTrace?
  private let memory: TransferMemory
  /// What requests there have been.
  public let statistics = RequestStatistics()
  private let latency: CPULatencyRequest
  private let isStopping = Atomic<Bool>(false)
  /// Set by `mount`.
  private(set) var transport: DeviceTransport?

  static let log = Logger(label: "fuse4fs.session")

  /// `iomap`: the same file system, if the kernel is to move its data where it can.
  public init(
    _ operations: any FileSystemOperations, iomap: (any IomapOperations)? = nil,
    channel: any KernelChannel = DeviceChannel(), options: Options
  ) throws(Failure) {
    var options = options
    options.workerCount = max(options.workerCount, 1)
    self.options = options
    trace = options.trace.map { RequestTrace(print: $0) }
    self.channel = trace.map { TracedChannel(channel, $0) } ?? channel
    latency = CPULatencyRequest(
      isWanted: options.keepsProcessorsAwake, passed: options.wakefulnessDescriptor)
    guard let memory = TransferMemory(threadCount: options.workerCount) else { throw .memory }
    self.memory = memory
    dispatch = Dispatch(
      operations, Connection(options, iomap: IomapMode(iomap)), self.channel, statistics)
    guard let mounting = Self.makeMounting(options) else { throw .options }
    self.mounting = mounting
  }

  private static func makeMounting(_ options: Options) -> OpaquePointer? {
    var arguments = ["fuse4fs"]
    if !options.mountOptions.isEmpty {
      arguments += ["-o", options.mountOptions.joined(separator: ",")]
    }
    var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeMutableBufferPointer { pointers in
      var list = fuse_args(
        argc: CInt(arguments.count), argv: pointers.baseAddress, allocated: 0)
      defer { fuse_opt_free_args(&list) }
      var operations = fuse_lowlevel_ops()
      return cfuse_session_new(&list, &operations, nil)
    }
  }

  deinit { fuse_session_destroy(mounting) }

  /// Attaches the file system to `mountpoint`. Requests wait until `run`.
  ///
  /// `/dev/fd/N` is no directory: the caller has attached the open /dev/fuse with that number, and detaches it.
  public func mount(at mountpoint: String) throws(Failure) {
    guard fuse_session_mount(mounting, mountpoint) == 0 else { throw .mount }
    attach(fuse_session_fd(mounting))
  }

  /// `descriptor` leads to the kernel.
  func attach(_ descriptor: CInt) {
    var options = DeviceTransport.Options()
    options.threadCount = self.options.workerCount
    options.latency = latency
    options.observer = trace
    transport = DeviceTransport(
      on: descriptor, for: dispatch, memory, dispatch.interruptions, statistics, options)
    channel.connect(descriptor)
    if self.options.usesRing { wantRing(on: descriptor) }
  }

  private func wantRing(on descriptor: CInt) {
    let connection = dispatch.connection
    guard options.workerCount > 1 else {
      return connection.ring.giveUp(RingFailure("one request is served after the other"))
    }
    connection.ring.want { [unowned self] () throws(RingFailure) in
      try RingTransport(
        on: descriptor, for: dispatch, dispatch.interruptions, statistics, observer: trace,
        isBroken: { [weak self] failure in
          Self.log.error("requests do not come over io_uring any more: \(failure.reason)")
          self?.stop()
        })
    }
  }

  /// Whether this system is a virtual machine whose processors are to poll before they halt (cpuidle-haltpoll).
  public static var suggestsKeepingAwake: Bool { CPULatencyRequest.isWorthwhile }

  /// Opens /dev/cpu_dma_latency for a process that cannot; nil where it cannot be had or is not wanted. Nothing is wished for until that process
  /// does so.
  public static func openWakefulness(isWanted: Bool) -> CInt? {
    isWanted ? CPULatencyRequest.openDevice() : nil
  }

  /// Serves requests until the file system is unmounted, or `stop` is called. Calls `onReady` once, when the kernel has been told
  /// all that it asks first; false ends the service at once. The calling thread serves, too.
  public func run(onReady: () -> Bool) {
    guard let transport else { return }
    DeviceTransport.makeThreadsWakeable()
    let connection = dispatch.connection
    transport.serve { connection.isSettled || isStopped }
    // The descriptors are opened before `onReady`, which may give up opening files. One thread is enough for what does not come over io_uring.
    if connection.ring.transport == nil { transport.prepare { channel.clone() } }
    guard connection.isSettled, !isStopped, onReady() else { return }
    if options.workerCount > 1 {
      dispatch.deferred.start()
      dispatch.synchronizations.start()
    }
    guard let ring = startRing() else { return }
    transport.run()
    dispatch.synchronizations.stop()
    dispatch.deferred.stop()
    dispatch.directWrites.stop()
    // Last, since what was deferred owes replies to it.
    ring.transport?.finish()
  }

  /// Has requests come over io_uring, where that was agreed on. Nil where they do not come on any way.
  private func startRing() -> RingMode? {
    let ring = dispatch.connection.ring
    guard let transport = ring.transport else { return ring }
    dispatch.directWrites.limit(to: transport.entriesPerQueue)
    guard let (failure, isFinal) = transport.start() else { return ring }
    Self.log.warning("requests do not come over io_uring: \(failure.reason)")
    if isFinal { return nil }
    transport.finish()
    ring.giveUp(failure)
    return ring
  }

  /// Why requests do not come over io_uring, as the end of a sentence for people; nil where they do.
  public var ringFailure: RingFailure? { dispatch.connection.ring.failure }

  /// Whether the kernel still has what `mount` attached.
  public var isConnected: Bool {
    var file = pollfd(fd: fuse_session_fd(mounting), events: 0, revents: 0)
    return poll(&file, 1, 0) >= 0 && file.revents & Int16(POLLERR) == 0
  }

  /// Releases what `mount` attached, if it still is.
  public func unmount() {
    fuse_session_unmount(mounting)
  }

  /// The kernel writes back what it has of these files. Returns when that is done, by the threads that serve requests: to be called from
  /// another one, without any lock.
  public func writeBack(_ nodes: some Sequence<NodeID>) {
    for node in nodes where !isStopped { channel.writeBack(node) }
  }

  /// Ends `run` although the file system is still mounted. Requests that are not answered yet, and all later ones, fail with
  /// ENOTCONN.
  public func stop() {
    isStopping.store(true, ordering: .releasing)
    transport?.stop()
  }

  private var isStopped: Bool { isStopping.load(ordering: .acquiring) }

  /// How the negotiation of iomap ended, as the end of a sentence for people where it failed.
  public var iomapOutcome: Result<IomapRevision, IomapRefusal> {
    dispatch.connection.iomap.outcome
  }
}

extension Session {
  /// The calling thread is about to wait: for the disk, for a lock, for another thread or for the kernel. If it reads requests, another one
  /// does so from here on.
  public static func willWait() { Exchange.threadWillWait() }

  /// Whether the calling thread may wait. One that may not gives its request up with `Exchange.wouldWait`, and another thread serves it.
  public static var mayWait: Bool { Exchange.current?.mayWait ?? true }

  /// The request that the calling thread serves has changed something: the thread serves it to the end.
  public static func noteChange() { Exchange.current?.mayWait = true }

  /// Whether the request that the calling thread serves should end: its caller is being killed, or the session ends. To be called
  /// between the steps of what may take long.
  public static var isCallerGone: Bool { ServedRequest.current?.isCallerGone ?? false }

  /// For an operation under way: the kernel forgets what it knows of the node's attributes, and asks again. Takes no lock that
  /// a request might hold.
  ///
  /// It does so before the answer to the request, except where the kernel may be about to drop the node, which has no name left.
  public static func invalidateAttributes(of node: NodeID, hasNoName: Bool = false) {
    guard let exchange = Exchange.current, let dispatch = exchange.server as? Dispatch else {
      return
    }
    let channel = dispatch.channel
    if hasNoName {
      exchange.afterReply = { channel.forgetAttributes(of: node) }
    } else {
      channel.forgetAttributesOfUsed(node)
    }
  }
}
