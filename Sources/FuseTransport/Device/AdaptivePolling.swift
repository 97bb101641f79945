import Glibc

/// How long the leader keeps looking for the next request before it sleeps.
///
/// A program that waits for one answer after the other sends its next request within microseconds, and to be woken for it
/// takes several times as long as to serve it. The time is spent on where it has paid, and halved each time that it has not; with one
/// processor it would be the program's own.
struct AdaptivePolling {
  /// Nanoseconds.
  private static let longest: UInt64 = 60_000
  private static let shortest: UInt64 = 4_000
  /// Another thread needs the processor if the thread was not running for so long.
  private static let interruption: UInt64 = 40_000
  /// A request that comes so soon after a look in vain was held up by the look: its sender has this processor.
  private static let heldUp: UInt64 = 12_000
  /// Requests to sleep between then.
  private static let pause = 256

  private let limit: UInt64
  private var window: UInt64 = 0
  private var began: UInt64?
  private var lastLook: UInt64 = 0
  private var lookedInVain = false
  private var requestsToPause = 0

  init(processors: Int = Self.processors) {
    limit = processors > 1 ? Self.longest : 0
  }

  static var processors: Int { sysconf(Int32(_SC_NPROCESSORS_ONLN)) }

  /// The thread has become the leader, perhaps on the processor of someone who waits for an answer from another: it sleeps first.
  mutating func begin() {
    window = 0
    began = nil
    lookedInVain = false
  }

  /// There is no request. Whether to look again at once, rather than to sleep.
  mutating func looksAgain(at now: UInt64) -> Bool {
    guard let began else {
      began = now
      lastLook = now
      return window > 0
    }
    let gap = now - lastLook
    lastLook = now
    if gap > Self.interruption { window = 0 }
    guard now - began < window else {
      lookedInVain = window > 0
      window = window / 2 < Self.shortest ? 0 : window / 2
      return false
    }
    return true
  }

  /// There is a request, that was looked for, or waited for `slept` nanoseconds.
  mutating func found(afterSleeping slept: UInt64?) {
    guard began != nil else { return }
    began = nil
    if requestsToPause > 0 { requestsToPause -= 1 }
    if let slept {
      if lookedInVain, slept < Self.heldUp {
        requestsToPause = Self.pause
        window = 0
      } else if slept < limit, requestsToPause == 0 {
        // It would have come in time.
        window = min(limit, max(window, slept * 2, Self.shortest))
      }
      lookedInVain = false
    } else {
      window = limit
    }
  }
}
