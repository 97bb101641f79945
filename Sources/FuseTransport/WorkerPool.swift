import Glibc

/// Threads that serve what keeps a thread waiting, for threads that must not be kept.
///
/// There are as many as are needed at a time, within bounds. Of those without work the one that was the last to have some gets the next, so that
/// few are in use and the others end.
final class WorkerPool: @unchecked Sendable {
  /// A request that a thread hands over.
  struct Job {
    let entry: RingEntry
    let stamp: RequestStamp
    /// Whether the request was received as far as observers are told.
    let isAgain: Bool
    let isInterrupted: Bool
  }

  private final class Worker: @unchecked Sendable {
    // Under the pool's lock.
    var job: Job?
    let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

    init(_ job: Job) {
      self.job = job
      sem_init(semaphore, 0, 0)
    }

    deinit {
      sem_destroy(semaphore)
      semaphore.deallocate()
    }
  }

  private struct State {
    /// The one that was the last to have work comes last.
    var idle: [Worker] = []
    var waiting: [Job] = []
    var count = 0
    var isStopped = false
  }

  /// How many requests can be kept waiting at a time.
  private static let most = 64
  /// Seconds after which a thread without work ends.
  private static let patience = 10

  private unowned(unsafe) let server: any RequestServer
  private let interruptions: Interruptions
  private let statistics: RequestStatistics
  private let observer: (any ExchangeObserver)?
  private let monitor = Monitor()
  private var state = State()

  init(
    for server: any RequestServer, _ interruptions: Interruptions,
    _ statistics: RequestStatistics, observer: (any ExchangeObserver)?
  ) {
    self.server = server
    self.interruptions = interruptions
    self.statistics = statistics
    self.observer = observer
  }

  /// Takes a request over. False when there is no thread, nor can be.
  func take(_ job: Job) -> Bool {
    monitor.withLock {
      if let worker = state.idle.popLast() {
        worker.job = job
        sem_post(worker.semaphore)
        return true
      }
      if state.count < Self.most, start(Worker(job)) { return true }
      guard state.count > 0 else { return false }
      state.waiting.append(job)
      return true
    }
  }

  /// Lock held.
  private func start(_ worker: Worker) -> Bool {
    guard OwnedThread.detach({ [self] in serve(worker) }) else { return false }
    state.count += 1
    return true
  }

  /// Returns when all that was taken over has been served, and all threads have ended. Nothing is handed over from here on.
  func stop() {
    monitor.withLock {
      state.isStopped = true
      for worker in state.idle { sem_post(worker.semaphore) }
      state.idle = []
      while state.count > 0 { monitor.wait() }
    }
  }

  // MARK: A worker

  private func serve(_ worker: Worker) {
    guard let first = worker.job else { return }
    let exchange = Exchange(nil, first.entry, interruptions, statistics, observer: observer)
    exchange.adopt {
      while let job = next(worker) {
        guard exchange.begin(job.entry, job.stamp) else { continue }
        if job.isInterrupted { exchange.noteInterrupted() }
        exchange.serve(by: server, isAgain: job.isAgain)
      }
    }
    monitor.withLock {
      state.count -= 1
      monitor.wake()
    }
  }

  /// Waits for work. Nil when there is none for a while, or will be none.
  private func next(_ worker: Worker) -> Job? {
    let isIdle = monitor.withLock {
      if worker.job == nil, !state.waiting.isEmpty { worker.job = state.waiting.removeFirst() }
      guard worker.job == nil, !state.isStopped else { return false }
      state.idle.append(worker)
      return true
    }
    if isIdle { sleep(worker) }
    return monitor.withLock {
      defer { worker.job = nil }
      return worker.job
    }
  }

  private func sleep(_ worker: Worker) {
    var deadline = Monitor.deadline(inMilliseconds: Self.patience * 1000)
    while sem_timedwait(worker.semaphore, &deadline) != 0 {
      guard errno == ETIMEDOUT else { continue }
      let isLeft = monitor.withLock {
        guard let index = state.idle.firstIndex(where: { $0 === worker }) else { return false }
        state.idle.remove(at: index)
        return true
      }
      if isLeft { return }
      // Work came at the last moment, and its signal is there or about to be.
      while sem_wait(worker.semaphore) != 0 {}
      return
    }
  }
}
