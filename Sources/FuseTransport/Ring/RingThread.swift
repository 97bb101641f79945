import FuseProtocol
import Glibc
import Synchronization

/// The thread of a processor's queue, which stays hot: it takes each request, has it served if that does not keep it waiting, and commits the
/// replies, also those that other threads have made.
///
/// Requests are copied in by this thread, when it waits for them and at no other time (IORING_SETUP_DEFER_TASKRUN).
final class RingThread: @unchecked Sendable {
  private let transport: RingTransport.Shared
  /// Where it runs; nil for anywhere.
  private let processor: Int?
  private let entries: [RingEntry]
  private let ring: SubmissionRing
  private let mailbox: RingMailbox
  private let isFinishing = Atomic<Bool>(false)

  // Of the thread alone.

  /// Entries that the kernel has, or that are being served.
  private var alive = 0
  /// Entries whose replies are due.
  private var inService = 0
  private var slowWrites = SlowWrites()
  private var largeEntries: LargeEntries
  /// What went wrong when entries were registered.
  private var failure: RingFailure?

  /// `queues`: those that it serves.
  init(
    _ queues: [RingQueue], on processor: Int?, device: CInt, _ transport: RingTransport.Shared
  ) throws(RingFailure) {
    self.transport = transport
    self.processor = processor
    let count = queues.reduce(0) { $0 + $1.entryCount }
    let memory = try RingMemory(entryCount: count)
    ring = try SubmissionRing(entryCount: count, for: .commands(to: device))
    mailbox = try RingMailbox(entryCount: count, target: ring.descriptor)
    var entries: [RingEntry] = []
    for queue in queues {
      for _ in 0..<queue.entryCount {
        entries.append(RingEntry(entries.count, queue, memory, mailbox))
      }
    }
    self.entries = entries
    largeEntries = LargeEntries(count: count)
  }

  // MARK: The beginning

  /// The whole life of the thread: until the connection ends, or after `finish`.
  func run() {
    if let processor { ThreadPlacement.pin(to: processor) }
    do throws(RingFailure) {
      try ring.enable()
    } catch {
      mailbox.close()
      return transport.start.note(error)
    }
    transport.start.note(nil)
    guard transport.start.waitForEnabling() else {
      refuse()
      return mailbox.close()
    }
    let exchange = Exchange(
      self, entries[0], transport.interruptions, transport.statistics, observer: transport.observer)
    exchange.adopt {
      register(exchange)
      transport.start.note(failure)
      serve(exchange)
      // The last replies.
      submit()
    }
    mailbox.close()
  }

  /// Tells the kernel of all entries.
  private func register(_ exchange: Exchange) {
    for entry in entries {
      var parts = [
        iovec(iov_base: entry.header.memory.baseAddress, iov_len: RingHeader.size),
        iovec(iov_base: entry.payload.baseAddress, iov_len: entry.payload.count),
      ]
      parts.withUnsafeMutableBufferPointer { parts in
        prepare(
          .register, entry, RingCommand(queue: entry.queue.number),
          address: UInt64(UInt(bitPattern: parts.baseAddress)), length: 2)
        // The kernel reads the two when it takes the command.
        submit()
      }
      alive += 1
    }
    // What has failed is there at once.
    while let completion = ring.next() {
      // Where the connection has ended meanwhile, nothing has failed.
      if completion.tag != RingMailbox.tag, completion.result < 0, completion.result != -ENOTCONN,
        failure == nil
      {
        failure = RingFailure("register an entry", code: completion.result)
      }
      receive(completion, exchange)
    }
  }

  /// Has the kernel refuse an entry, so that it gives this way of requests up: it would keep all requests waiting until each queue has an
  /// entry (fuse_uring_cmd in fs/fuse/dev_uring.c).
  private func refuse() {
    guard let entry = entries.first else { return }
    prepare(.register, entry, RingCommand(queue: entry.queue.number), address: 0, length: 0)
    submit()
  }

  // MARK: Serving

  private func serve(_ exchange: Exchange) {
    while alive > 0 {
      mailbox.takeAll { commit(entries[$0]) }
      let sleeps = mailbox.prepareToSleep()
      // Either this sees that it is to end, or `finish` sees that it sleeps.
      if isFinishing.load(ordering: .sequentiallyConsistent), inService == 0 { return }
      let code =
        sleeps
        ? ring.submitAndWait(seconds: largeEntries.isEmpty ? nil : LargeEntries.patience)
        : ring.submitAndLook()
      mailbox.noteAwake()
      var hasReceived = false
      while let completion = ring.next() {
        hasReceived = true
        receive(completion, exchange)
      }
      switch code {
      case _ where code >= 0, -ETIME:
        // What was committed has been submitted.
        if sleeps, !hasReceived { largeEntries.trim(entries) }
      case -EINTR, -EAGAIN, -EBUSY: break
      default: return transport.report(RingFailure("wait for requests", code: code))
      }
    }
  }

  /// A request has come, or a message, or an entry is of no use any more.
  @inline(__always)
  private func receive(_ completion: (tag: UInt64, result: Int32), _ exchange: Exchange) {
    guard completion.tag < UInt64(entries.count) else { return }
    let entry = entries[Int(completion.tag)]
    // The connection has ended, or never used the entry.
    guard completion.result >= 0 else {
      alive -= 1
      return
    }
    // The request fails when the connection ends.
    guard !isFinishing.load(ordering: .relaxed) else { return }
    inService += 1
    largeEntries.isWithServer[entry.index] = true
    guard exchange.begin(entry) else { return }
    switch RequestDuration(exchange.header.opcode, exchange.message.arguments) {
    case .long: handOver(entry, exchange, isAgain: false)
    case .shortWrite:
      let start = Clock.now
      if slowWrites.areExpected(at: start) {
        handOver(entry, exchange, isAgain: false)
      } else {
        serveHere(entry, exchange)
        slowWrites.note(from: start, to: Clock.now)
      }
    case .short: serveHere(entry, exchange)
    }
  }

  @inline(__always)
  private func serveHere(_ entry: RingEntry, _ exchange: Exchange) {
    exchange.serve(by: transport.server)
    if exchange.isPostponed { handOver(entry, exchange, isAgain: true) }
  }

  private func handOver(_ entry: RingEntry, _ exchange: Exchange, isAgain: Bool) {
    let job = WorkerPool.Job(
      entry: entry, stamp: exchange.stamp, isAgain: isAgain, isInterrupted: exchange.isInterrupted)
    if !transport.pool.take(job) { exchange.serveHere(by: transport.server) }
  }

  // MARK: Commands

  /// Hands the reply of an entry over to the kernel, which has the entry for another request from then on. By this thread, and at the latest when it
  /// waits.
  @inline(__always)
  func commit(_ entry: RingEntry) {
    inService -= 1
    largeEntries.isWithServer[entry.index] = false
    if entry.isLarge { largeEntries.note(entry.index) }
    prepare(
      .commitAndFetch, entry,
      RingCommand(queue: entry.queue.number, commitID: entry.header.commitID))
  }

  @inline(__always)
  private func prepare(
    _ operation: RingCommand.Operation, _ entry: RingEntry, _ command: RingCommand,
    address: UInt64 = 0, length: UInt32 = 0
  ) {
    // There is room for a command for each entry, which has no more than one.
    while !ring.prepareCommand(
      operation.rawValue, tag: UInt64(entry.index), areaSize: RingCommand.size, address: address,
      length: length, { command.encode(into: $0) })
    {
      submit()
    }
  }

  /// Replies that are committed go out.
  func submit() {
    while true {
      switch ring.submit() {
      case -EINTR, -EAGAIN, -EBUSY: continue
      default: return
      }
    }
  }

  // MARK: The end

  /// The thread ends once all replies that are due have gone out, and receives no more requests. To be called by another thread.
  func finish() {
    isFinishing.store(true, ordering: .sequentiallyConsistent)
    mailbox.wake()
  }
}
