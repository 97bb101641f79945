import CFuse3
import FuseProtocol
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
    case connection(Errno)
  }

  let handle: OpaquePointer
  let operations: any FileSystemOperations
  let channel: any KernelChannel
  let handles = OpenHandles()
  let listingHabits = ListingHabits()
  let listingFreshness = ListingFreshness()
  let iomap: IomapMode
  let options: Options
  let log = Logger(label: "fuse4fs.session")
  /// Nil where no trace is wanted.
  let trace: RequestTrace?
  /// What requests there have been.
  public let statistics = RequestStatistics()
  /// The threads inside `run`.
  let leadership = Leadership()
  let wakefulness: ProcessorWakefulness
  let transferMemory: TransferMemory
  private let threads = Mutex<[pthread_t]>([])
  private let isInitialized = Atomic<Bool>(false)
  private let isStopping = Atomic<Bool>(false)
  /// FUSE_CAP_* that the kernel offered and we wanted.
  private let agreed = Atomic<UInt32>(0)
  let deferred = DeferredRequests()
  let interruptions = Interruptions()
  let synchronizations = SynchronizationQueue()
  let directWrites = DirectWrites()

  /// `iomap`: the same file system, if the kernel is to move its data where it can.
  public init(
    _ operations: any FileSystemOperations, iomap: (any IomapOperations)? = nil,
    channel: any KernelChannel = DeviceChannel(), options: Options
  ) throws(Failure) {
    self.operations = operations
    trace = options.trace.map { RequestTrace(print: $0) }
    self.channel = trace.map { TracedChannel(channel, $0) } ?? channel
    self.iomap = IomapMode(iomap)
    self.options = options
    wakefulness = ProcessorWakefulness(
      isWanted: options.keepsProcessorsAwake, passed: options.wakefulnessDescriptor)
    guard let memory = TransferMemory(workerCount: max(options.workerCount, 1)) else {
      throw .memory
    }
    transferMemory = memory
    var arguments = ["fuse4fs"]
    if !options.mountOptions.isEmpty {
      arguments += ["-o", options.mountOptions.joined(separator: ",")]
    }
    var table = OperationTable.make()
    guard let handle = Self.makeHandle(arguments, &table, trace) else { throw .options }
    self.handle = handle
  }

  private static func makeHandle(
    _ arguments: [String], _ table: inout fuse_lowlevel_ops, _ trace: RequestTrace?
  ) -> OpaquePointer? {
    var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeMutableBufferPointer { pointers in
      var list = fuse_args(
        argc: CInt(arguments.count), argv: pointers.baseAddress, allocated: 0)
      defer { fuse_opt_free_args(&list) }
      // What `Transport` gets; the session keeps it.
      return cfuse_session_new(&list, &table, trace.map { Unmanaged.passUnretained($0).toOpaque() })
    }
  }

  deinit { fuse_session_destroy(handle) }

  /// Attaches the file system to `mountpoint`. Requests wait until `run`.
  ///
  /// `/dev/fd/N` is no directory: the caller has attached the open /dev/fuse with that number, and detaches it.
  public func mount(at mountpoint: String) throws(Failure) {
    guard fuse_session_mount(handle, mountpoint) == 0 else { throw .mount }
    var io = Transport.customIO
    let code = cfuse_session_custom_io(handle, &io, fuse_session_fd(handle))
    guard code == 0 else {
      fuse_session_unmount(handle)
      throw .connection(Errno(rawValue: -code))
    }
    channel.connect(fuse_session_fd(handle))
  }

  /// Whether this system is a virtual machine whose processors are to poll before they halt (cpuidle-haltpoll).
  public static var suggestsKeepingAwake: Bool { ProcessorWakefulness.isWorthwhile }

  /// Opens /dev/cpu_dma_latency for a process that cannot; nil where it cannot be had or is not wanted. Nothing is wished for until that process
  /// does so.
  public static func openWakefulness(isWanted: Bool) -> CInt? {
    isWanted ? ProcessorWakefulness.openDevice() : nil
  }

  /// Serves requests until the file system is unmounted, or `stop` is called. Calls `onReady` once, when the kernel has been told
  /// all that it asks first; false ends the service at once. The calling thread is one of the workers.
  public func run(onReady: () -> Bool) {
    Self.makeWakeable()
    threads.withLock { $0 = [pthread_self()] }
    let first = Worker(
      session: self, index: 0, descriptor: fuse_session_fd(handle), ownsDescriptor: false)
    first.serve { isInitialized.load(ordering: .acquiring) || isStopped }
    // Their descriptors are opened before `onReady`, which may give up opening files.
    let workers = (1..<max(options.workerCount, 1)).map { makeWorker($0) }
    guard isInitialized.load(ordering: .acquiring), !isStopped, onReady() else {
      threads.withLock { $0.removeAll() }
      return
    }
    deferred.start(self)
    if options.workerCount > 1 { synchronizations.start(self) }
    let others = workers.compactMap { start($0) }
    threads.withLock { $0 += others }
    first.serve { isStopped }
    threads.withLock { $0.removeAll() }
    for thread in others { pthread_join(thread, nil) }
    synchronizations.stop()
    deferred.stop()
    directWrites.stop()
  }

  /// Whether the kernel still has what `mount` attached.
  public var isConnected: Bool {
    var file = pollfd(fd: fuse_session_fd(handle), events: 0, revents: 0)
    return poll(&file, 1, 0) >= 0 && file.revents & Int16(POLLERR) == 0
  }

  /// Releases what `mount` attached, if it still is.
  public func unmount() {
    fuse_session_unmount(handle)
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
    interruptions.end()
    fuse_session_exit(handle)
    // A thread that waits for a request looks up when a signal interrupts it; one that was just about to wait, with the next.
    while threads.withLock({ waiting in
      for thread in waiting { pthread_kill(thread, Self.wakeSignal) }
      return !waiting.isEmpty
    }) {
      usleep(10_000)
    }
  }

  /// One that no other part of the process waits for: SIGRTMIN + 1.
  private static let wakeSignal = __libc_current_sigrtmin() + 1

  private static func makeWakeable() {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in }
    sigemptyset(&action.sa_mask)
    sigaction(wakeSignal, &action, nil)
  }

  /// The calling thread is about to wait: for the disk, for a lock, for another thread or for the kernel. If it serves a request, others
  /// can be served meanwhile.
  public static func willWait() { Worker.current?.passLeadership() }

  /// Whether the request that the calling thread serves should end: its caller is being killed, or the session ends. To be called
  /// between the steps of what may take long.
  public static var isCallerGone: Bool { ServedRequest.current?.isCallerGone ?? false }

  /// For an operation under way: the kernel forgets what it knows of the node's attributes, and asks again. Takes no lock that
  /// a request might hold.
  ///
  /// It does so before the answer to the request, except where the kernel may be about to drop the node, which has no name left: then it
  /// may be waiting for the answer with that, and the notification for the node to be gone (`ilookup5`).
  public static func invalidateAttributes(of node: NodeID, hasNoName: Bool = false) {
    guard let worker = Worker.current else { return }
    if hasNoName {
      worker.staleAfterAnswer = node
    } else {
      _ = fuse_lowlevel_notify_inval_inode(worker.session.handle, node.rawValue, -1, 0)
    }
  }

  var agreedCapabilities: UInt32 { agreed.load(ordering: .relaxed) }

  func negotiate(_ connection: UnsafeMutablePointer<fuse_conn_info>) {
    iomap.noteOffer(Negotiation.offersIomap(Worker.serving.payload))
    Negotiation.choose(connection, options: options, usesIomap: usesIomap)
    agreed.store(connection.pointee.want, ordering: .relaxed)
  }

  private var isStopped: Bool {
    isStopping.load(ordering: .acquiring) || fuse_session_exited(handle) != 0
  }

  /// Hands a request to the part that answers it.
  func dispatch(_ worker: Worker) {
    if usesIomap, let operations = iomap.operations,
      IomapRequests(session: self, operations: operations, worker: worker).serve()
    {
      return
    }
    switch worker.header.opcode {
    case .statx:
      do throws(Errno) {
        Statx.reply(
          with: try operations.attributes(
            of: worker.header.node, beforeWrite: false), to: worker)
      } catch {
        worker.reply(error)
      }
    case .initialize:
      worker.processInLibrary()
      if !usesIomap { isInitialized.store(true, ordering: .releasing) }
    case .interrupt:
      // Not by libfuse, which would wait for requests that it never sees.
      guard let request = try? Request.Interrupt(worker.payload, of: .interrupt, .layout) else {
        return
      }
      if !deferred.interrupt(request.unique) { interruptions.interrupt(request.unique) }
    case .fsync, .fsyncDirectory:
      guard synchronizations.add(worker, for: worker.header.node) else {
        return worker.processInLibrary()
      }
    case .syncFileSystem:
      if !synchronizations.add(worker, for: nil) { worker.processInLibrary() }
    case .lseek where options.workerCount > 1, .bmap where options.workerCount > 1:
      deferred.add(worker)
    case .tmpfile:
      TemporaryFile.serve(worker)
    default:
      worker.processInLibrary()
    }
  }

  /// The kernel and we have agreed that it is to move data; whether it does is seen when the devices are registered.
  var usesIomap: Bool { iomap.isAgreed }

  /// How the kernel that moves data speaks; nil where it does not.
  @inline(__always)
  var iomapRevision: IomapRevision? { iomap.revision }

  /// How the negotiation of iomap ended, as the end of a sentence for people where it failed.
  public var iomapOutcome: Result<IomapRevision, IomapRefusal> { iomap.outcome }

  func configureIomap(
    for request: IomapWire.ConfigRequest, _ operations: any IomapOperations
  ) {
    iomap.activate(for: request, operations, channel)
    if iomap.revision?.needsSetNoFS == true {
      do throws(Errno) {
        // Threads that this one starts inherit it.
        try channel.forbidReclaim()
      } catch {
        log.warning("the kernel does not keep our threads from waiting for this mount: \(error)")
      }
    }
  }

  /// The kernel has been told all that it needs to begin with.
  func noteConfigured() { isInitialized.store(true, ordering: .releasing) }

  /// Seconds that the end of a mount waits for files to be closed.
  private static let releasePatience = 30

  /// The kernel says that the mount has ended.
  func destroy() {
    if options.workerCount > 1, !handles.waitForNone(seconds: Self.releasePatience) {
      log.error("the kernel has ended the mount without closing all files")
    }
    operations.destroy()
  }

  /// Another worker on a descriptor of its own, so that threads do not contend for one.
  private func makeWorker(_ index: Int) -> Worker {
    let own = channel.clone()
    return Worker(
      session: self, index: index, descriptor: own ?? fuse_session_fd(handle),
      ownsDescriptor: own != nil)
  }

  private func start(_ worker: Worker) -> pthread_t? {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(worker)
    let code = pthread_create(
      &thread, nil,
      { context in
        let worker = Unmanaged<Worker>.fromOpaque(context!).takeRetainedValue()
        worker.serve { worker.session.isStopped }
        return nil
      }, context.toOpaque())
    guard code == 0 else {
      context.release()
      return nil
    }
    return thread
  }
}
