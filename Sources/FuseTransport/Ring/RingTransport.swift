import FuseProtocol
import Glibc
import Synchronization

/// Requests and replies over io_uring (Linux 6.14; fs/fuse/dev_uring.c), all but INIT, FORGET, INTERRUPT and notifications.
///
/// The kernel has a queue for each processor that there could be, and a request goes to that of the processor on which its caller runs. Each processor on
/// which programs run has a thread of its own here, pinned to it, with a ring and as many entries as requests can be under way. The thread serves
/// what does not keep it waiting. Everything else goes to workers (`WorkerPool`), which leave the reply in the entry, and tell the
/// thread (`RingMailbox`). Queues of processors that are not there have one entry each, with the first thread.
public final class RingTransport: @unchecked Sendable {
  /// What the threads share.
  final class Shared: @unchecked Sendable {
    unowned(unsafe) let server: any RequestServer
    let interruptions: Interruptions
    let statistics: RequestStatistics
    let observer: (any ExchangeObserver)?
    let pool: WorkerPool
    let start: RingStart
    private let isBroken: @Sendable (RingFailure) -> Void

    init(
      _ server: any RequestServer, _ interruptions: Interruptions,
      _ statistics: RequestStatistics, _ observer: (any ExchangeObserver)?, threadCount: Int,
      isBroken: @escaping @Sendable (RingFailure) -> Void
    ) {
      self.server = server
      self.interruptions = interruptions
      self.statistics = statistics
      self.observer = observer
      self.isBroken = isBroken
      pool = WorkerPool(for: server, interruptions, statistics, observer: observer)
      start = RingStart(threadCount: threadCount)
    }

    func report(_ failure: RingFailure) { isBroken(failure) }
  }

  /// Requests of one processor's programs that can be under way at a time.
  public let entriesPerQueue: Int
  private let shared: Shared
  private var threads: [RingThread] = []
  private var running: [OwnedThread] = []

  /// Gets all that is needed; nothing happens before `start`.
  ///
  /// `descriptor`: of /dev/fuse, mounted. `server` must live for as long as this serves it. `isBroken` is called where a thread cannot go on, so that its
  /// processor's programs would wait for ever.
  public convenience init(
    on descriptor: CInt, for server: any RequestServer, _ interruptions: Interruptions,
    _ statistics: RequestStatistics, observer: (any ExchangeObserver)?,
    isBroken: @escaping @Sendable (RingFailure) -> Void
  ) throws(RingFailure) {
    guard let budget = RingBudget.ofThisSystem else {
      throw RingFailure("the system does not say which processors it has")
    }
    try self.init(
      on: descriptor, for: server, interruptions, statistics, budget, observer: observer,
      isBroken: isBroken)
  }

  init(
    on descriptor: CInt, for server: any RequestServer, _ interruptions: Interruptions,
    _ statistics: RequestStatistics, _ budget: RingBudget, observer: (any ExchangeObserver)?,
    isBroken: @escaping @Sendable (RingFailure) -> Void
  ) throws(RingFailure) {
    entriesPerQueue = budget.entryCount
    shared = Shared(
      server, interruptions, statistics, observer, threadCount: max(budget.online.count, 1),
      isBroken: isBroken)
    for (processor, queues) in budget.threads {
      threads.append(try RingThread(queues, on: processor, device: descriptor, shared))
    }
  }

  /// From here on requests come over io_uring, if this returns nil; otherwise by /dev/fuse, as before, except with `isFinal`: then they do not come at all.
  /// To be called when INIT has been answered.
  public func start() -> (failure: RingFailure, isFinal: Bool)? {
    shared.interruptions.keepEarlyOnes()
    ThreadPlacement.prepare()
    for thread in threads {
      if let started = OwnedThread({ thread.run() }) {
        running.append(started)
      } else {
        shared.start.note(RingFailure("start a thread", code: -EAGAIN))
      }
    }
    if let failure = shared.start.waitForAll() {
      shared.start.goOn(false, threadCount: 0)
      for thread in running { thread.join() }
      running = []
      return (failure, !shared.start.canGiveUp)
    }
    shared.start.goOn(true, threadCount: threads.count)
    return shared.start.waitForAll().map { ($0, false) }
  }

  /// Returns when all replies that are due have gone out, and the threads have ended. The server must have sent each reply that it took over, or be about to.
  public func finish() {
    for thread in threads { thread.finish() }
    for thread in running { thread.join() }
    shared.pool.stop()
    running = []
    // Their rings hold on to the connection.
    threads = []
  }
}
