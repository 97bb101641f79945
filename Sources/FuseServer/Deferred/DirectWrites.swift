import FuseProtocol
import FuseTransport
import Glibc
import SystemPackage

/// Direct writes to files of which the kernel may have pages: they are answered when the kernel has dropped the pages that are older.
///
/// The kernel drops them before it sends the write, but not again when the answer to an asynchronous one comes (`fuse_direct_IO` in
/// fs/fuse/file.c; the kernel's ext4 does, `iomap_dio_complete`). What another program has read into the page cache between the two
/// would stay there, older than what is on disk.
///
/// 1. A write is answered after FUSE_NOTIFY_INVAL_INODE for its range has returned, so that a read that follows finds no older page.
/// 2. The notification waits for pages that are locked: those that the kernel is reading, whose READ is not answered yet. The threads that read requests answer those; so
///    none of them sends notifications, threads of this class do, one for each write that is held.
/// 3. The kernel sends a limited number of such requests at a time (`Negotiation.maximumBackground`), and writes that are held count. If many are
///    held, the READ that a notification waits for may be among those that are not sent. Then the oldest write is answered before
///    its notification returns. That is right for one page: it is locked because it is being read, after the write, and the READ will find
///    what was written. In a longer write, pages behind the one that is waited for can be stale until the notification goes on,
///    so that these are answered last.
final class DirectWrites: @unchecked Sendable {
  private final class Held {
    let node: NodeID
    let offset: UInt64
    let count: Int
    let pages: StalePages
    let reply: ReplyRoute
    /// Milliseconds (`Monitor.now`) when its notification was begun. Monitor held, for this and for what follows.
    var start: Int?
    var isAnswered = false

    init(
      _ reply: ReplyRoute, _ node: NodeID, _ offset: UInt64, _ count: Int, _ pages: StalePages
    ) {
      self.reply = reply
      self.node = node
      self.offset = offset
      self.count = count
      self.pages = pages
    }
  }

  private struct State {
    var waiting: [Held] = []
    /// Those that a thread sends the notification for, the oldest first.
    var notifying: [Held] = []
    var threads: [OwnedThread] = []
    var idleThreads = 0
    /// The thread that answers before notifications return.
    var overseer: OwnedThread?
    var isStopped = false
    /// So many writes held are a crowd: half of what the kernel sends, so that there is time.
    var crowd = Negotiation.maximumBackground / 2

    var isCrowded: Bool { waiting.count + notifying.count >= crowd }
  }

  private let operations: any FileSystemOperations
  private let channel: any KernelChannel
  private let monitor = Monitor()
  private var state = State()

  /// How long, in milliseconds, a notification takes that waits for nothing but a processor, at most.
  private static let patience = 10
  private static let pageSize = sysconf(CInt(_SC_PAGESIZE))

  init(_ operations: any FileSystemOperations, _ channel: any KernelChannel) {
    self.operations = operations
    self.channel = channel
  }

  /// The kernel sends so many requests at a time, and others wait for these. To be called before there are any.
  func limit(to requestCount: Int) {
    monitor.withLock { state.crowd = min(state.crowd, max(1, requestCount / 2)) }
  }

  /// The request was a direct write, and has been carried out. False if it can be answered at once.
  func takeOver(
    _ exchange: Exchange, _ node: NodeID, at offset: UInt64, count: Int
  ) -> Bool {
    guard count > 0 else { return false }
    let pages = operations.stalePages(of: node)
    guard pages != .none else { return false }
    return monitor.withLock {
      guard !state.isStopped else { return false }
      startThreadIfNeeded()
      guard !state.threads.isEmpty else { return false }
      state.waiting.append(Held(exchange.takeReply(), node, offset, count, pages))
      if state.isCrowded, state.overseer == nil {
        state.overseer = OwnedThread { [self] in oversee() }
      }
      // The overseer waits for the same condition.
      if state.overseer == nil { monitor.wakeOne() } else { monitor.wake() }
      return true
    }
  }

  /// Monitor held.
  private func startThreadIfNeeded() {
    guard state.idleThreads <= state.waiting.count,
      state.threads.count < Negotiation.maximumBackground,
      let thread = OwnedThread({ [self] in serve() })
    else { return }
    state.threads.append(thread)
    state.idleThreads += 1
  }

  /// The connection has ended. Returns when all writes have been answered, as far as anything can be.
  func stop() {
    let (threads, overseer) = monitor.withLock {
      state.isStopped = true
      monitor.wake()
      return (state.threads, state.overseer)
    }
    for thread in threads { thread.join() }
    overseer?.join()
  }

  private func serve() {
    while let held = next() {
      // A length of 0 reaches to the end. An error says that the kernel does not know the node any more, and so has no pages.
      let all = held.pages == .all
      channel.dropPages(
        of: held.node, from: all ? 0 : held.offset, count: all ? 0 : UInt64(held.count))
      if all { operations.pagesWereDropped(of: held.node) }
      let isDue = monitor.withLock {
        state.notifying.removeAll { $0 === held }
        state.idleThreads += 1
        defer { held.isAnswered = true }
        return !held.isAnswered
      }
      if isDue { answer(held) }
    }
  }

  private func next() -> Held? {
    monitor.withLock {
      while state.waiting.isEmpty, !state.isStopped { monitor.wait() }
      guard !state.waiting.isEmpty else { return nil }
      let held = state.waiting.removeFirst()
      held.start = Monitor.now
      state.notifying.append(held)
      state.idleThreads -= 1
      return held
    }
  }

  /// Rule 3.
  private func oversee() {
    while true {
      let overdue = monitor.withLock { () -> Held? in
        while !state.isStopped, !state.isCrowded { monitor.wait() }
        guard !state.isStopped else { return nil }
        _ = monitor.wait(until: Monitor.deadline(inMilliseconds: Self.patience))
        return nextOverdue()
      }
      if let overdue {
        answer(overdue)
      } else if monitor.withLock({ state.isStopped }) {
        return
      }
    }
  }

  /// Monitor held.
  private func nextOverdue() -> Held? {
    guard state.isCrowded else { return nil }
    let due = state.notifying.filter { held in
      !held.isAnswered && held.start.map { Monitor.now - $0 >= Self.patience } == true
    }
    let chosen = due.first { $0.count <= Self.pageSize } ?? due.first
    chosen?.isAnswered = true
    return chosen
  }

  private func answer(_ held: Held) {
    held.reply.send(Reply.Write(count: UInt32(held.count)))
  }
}
