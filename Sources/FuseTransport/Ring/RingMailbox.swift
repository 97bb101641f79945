import CUring
import Glibc
import Synchronization

/// By which other threads tell a ring's thread which entries have their replies.
///
/// A list without a lock: entries are put in front one by one, and taken out all at once. The thread is woken (IORING_OP_MSG_RING) if it
/// sleeps, or is about to.
final class RingMailbox: @unchecked Sendable {
  private static let end = -1
  /// The entry that was put in last.
  private let first = Atomic<Int>(end)
  /// For each entry in the list, the one that was put in before it.
  private let links: UnsafeMutablePointer<Int>
  /// Whether the thread must be woken.
  private let sleeps = Atomic<Bool>(false)

  private struct Sender {
    let ring: SubmissionRing
    /// -1 once the thread has ended.
    var target: CInt
  }

  private let sender: Mutex<Sender>

  /// What a message looks like among the completions of the thread's ring.
  static let tag = UInt64.max

  /// `target`: the ring of the thread.
  init(entryCount: Int, target: CInt) throws(RingFailure) {
    links = .allocate(capacity: entryCount)
    links.initialize(repeating: Self.end, count: entryCount)
    let ring = try SubmissionRing(entryCount: 4, for: .messages)
    try ring.enable()
    sender = Mutex(Sender(ring: ring, target: target))
  }

  deinit { links.deallocate() }

  // MARK: Other threads

  /// The entry has its reply, which is to be handed over to the kernel.
  func put(_ entry: Int) {
    var previous = first.load(ordering: .relaxed)
    while true {
      links[entry] = previous
      let (exchanged, original) = first.compareExchange(
        expected: previous, desired: entry, successOrdering: .sequentiallyConsistent,
        failureOrdering: .relaxed)
      if exchanged { break }
      previous = original
    }
    if sleeps.load(ordering: .sequentiallyConsistent) { wake() }
  }

  /// The thread looks up.
  func wake() {
    guard sleeps.exchange(false, ordering: .sequentiallyConsistent) else { return }
    sender.withLock { sender in
      guard sender.target >= 0 else { return }
      repeat {
        guard sender.ring.prepareMessage(to: sender.target, tag: Self.tag, result: 0) else {
          return
        }
      } while !Self.isSent(by: sender.ring)
    }
  }

  /// Whether a message has gone out; false when the system was short of memory, and it is worth trying again.
  private static func isSent(by ring: SubmissionRing) -> Bool {
    var code: CInt
    repeat { code = ring.submit() } while code == -EINTR || code == -EAGAIN
    guard code >= 0, let completion = ring.next() else { return true }
    guard completion.result == -ENOMEM || completion.result == -EAGAIN else { return true }
    sched_yield()
    return false
  }

  // MARK: The thread

  /// Whether there is nothing in the list. From here on the thread is woken when something is put in.
  func prepareToSleep() -> Bool {
    sleeps.store(true, ordering: .sequentiallyConsistent)
    return first.load(ordering: .sequentiallyConsistent) == Self.end
  }

  func noteAwake() { sleeps.store(false, ordering: .relaxed) }

  /// Takes all entries out.
  func takeAll(_ body: (Int) -> Void) {
    guard first.load(ordering: .relaxed) != Self.end else { return }
    var entry = first.exchange(Self.end, ordering: .acquiring)
    while entry != Self.end {
      // The entry is on its way back here once the kernel has it.
      let next = links[entry]
      body(entry)
      entry = next
    }
  }

  /// The thread has ended, and its ring is about to.
  func close() { sender.withLock { $0.target = -1 } }
}
