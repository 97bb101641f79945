import Glibc
import Synchronization

/// Requests by read(2) and replies by writev(2) on /dev/fuse.
///
/// One thread at a time reads (`ReadingRole`). When a thread is about to wait and no other is free, one more is started, so that requests which wait
/// keep no others waiting; those beyond the first ones end when they are not needed any more. Threads that are at work are enough, however many requests
/// there are. Each of the first ones has a descriptor of its own where that
/// is to be had (FUSE_DEV_IOC_CLONE), so that threads do not contend for a queue of replies.
public final class DeviceTransport: @unchecked Sendable {
  public struct Options {
    /// Threads that are there from the beginning; 1 for one request after the other.
    public var threadCount = 4
    /// What keeps processors from sleeping; nil for nothing.
    public var latency: CPULatencyRequest?
    public var observer: (any ExchangeObserver)?

    public init() {}
  }

  /// How many threads there are at most, where there may be more than one: so many requests can wait at once. Large transfers touch two megabytes of
  /// memory in each.
  static let mostThreads = 24

  unowned(unsafe) let server: any RequestServer
  let role = ReadingRole()
  // Of the thread that has the role.
  var slowWrites = SlowWrites()
  let latency: CPULatencyRequest
  let interruptions: Interruptions
  let statistics: RequestStatistics
  let observer: (any ExchangeObserver)?

  private let main: KernelDescriptor
  private let threadCount: Int
  private let memory: TransferMemory
  private let isStopping = Atomic<Bool>(false)
  // Set before there is a second thread.
  private var first: DeviceReader?
  private var prepared: [DeviceReader] = []

  private struct Threads {
    var running: [pthread_t] = []
    /// Whether more may be started.
    var mayGrow = false
  }

  private let monitor = Monitor()
  private var threads = Threads()

  /// `descriptor`: of /dev/fuse, mounted. `server` must live for as long as this serves it. `memory`: for as many threads as the options say.
  public init(
    on descriptor: CInt, for server: any RequestServer, _ memory: TransferMemory,
    _ interruptions: Interruptions, _ statistics: RequestStatistics, _ options: Options
  ) {
    self.statistics = statistics
    self.interruptions = interruptions
    threadCount = options.threadCount
    self.memory = memory
    self.server = server
    main = KernelDescriptor(descriptor, isOwned: false)
    latency = options.latency ?? CPULatencyRequest(isWanted: false)
    observer = options.observer
  }

  /// Serves by the calling thread, which is the only one, until the connection ends or `isDone` says so.
  public func serve(until isDone: () -> Bool) {
    let reader = first ?? DeviceReader(self, on: main, memory[0])
    first = reader
    monitor.withLock { threads.running = [pthread_self()] }
    reader.serve { isStopping.load(ordering: .acquiring) || isDone() }
    monitor.withLock { threads.running = [] }
  }

  /// Gets what the other threads need. `clone` gives another descriptor of the connection, which is closed at the end; nil where there is
  /// none. Later calls of it are not needed.
  public func prepare(clone: () -> CInt?) {
    prepared = (1..<max(threadCount, 1)).map { index in
      let own = clone().map { KernelDescriptor($0, isOwned: true) }
      return DeviceReader(self, on: own ?? main, memory[index])
    }
  }

  /// Starts the other threads, and serves by the calling one, too. Returns when the connection has ended, or after `stop`, and all threads
  /// have ended.
  public func run() {
    monitor.withLock { threads.mayGrow = threadCount > 1 }
    for reader in prepared { start(reader) }
    prepared = []
    guard let first else { return }
    monitor.withLock { threads.running.append(pthread_self()) }
    first.serve { isStopping.load(ordering: .acquiring) }
    monitor.withLock {
      threads.mayGrow = false
      threads.running.removeAll { $0 == pthread_self() }
      while !threads.running.isEmpty { monitor.wait() }
    }
  }

  /// Has `run` and `serve` return although the connection goes on. Returns when they are about to.
  public func stop() {
    isStopping.store(true, ordering: .releasing)
    interruptions.end()
    // A thread that waits for a request looks up when a signal interrupts it; one that was just about to wait, with the next.
    while monitor.withLock({
      for thread in threads.running { pthread_kill(thread, Self.wakeSignal) }
      return !threads.running.isEmpty
    }) {
      usleep(10_000)
    }
  }

  /// One that no other part of the process waits for: SIGRTMIN + 1.
  private static let wakeSignal = __libc_current_sigrtmin() + 1

  /// Signals that wake threads are to interrupt them, and no more.
  public static func makeThreadsWakeable() {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in }
    sigemptyset(&action.sa_mask)
    sigaction(wakeSignal, &action, nil)
  }

  // MARK: Threads

  /// Another thread, if there may be more.
  func addReader() {
    guard monitor.withLock({ threads.mayGrow && threads.running.count < Self.mostThreads }),
      let memory = TransferMemory(threadCount: 1)
    else { return }
    start(DeviceReader(self, on: main, memory[0], ownMemory: memory))
  }

  /// Whether there are enough threads without one that waits for the role.
  var hasEnoughCandidates: Bool { role.candidateCount >= threadCount }

  private func start(_ reader: DeviceReader) {
    monitor.withLock {
      var thread = pthread_t()
      let context = Unmanaged.passRetained(reader)
      let code = pthread_create(
        &thread, nil,
        { context in
          let reader = Unmanaged<DeviceReader>.fromOpaque(context!).takeRetainedValue()
          reader.serveInThread()
          return nil
        }, context.toOpaque())
      guard code == 0 else { return context.release() }
      pthread_detach(thread)
      threads.running.append(thread)
    }
  }

  /// What a thread does from its beginning to its end.
  func serve(_ reader: DeviceReader) {
    reader.serve { isStopping.load(ordering: .acquiring) }
    monitor.withLock {
      threads.running.removeAll { $0 == pthread_self() }
      monitor.wake()
    }
  }
}
