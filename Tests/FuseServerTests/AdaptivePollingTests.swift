import Testing

@testable import FuseTransport

/// How long the reader looks for requests, against a clock of its own. Times are in nanoseconds.
@Suite final class AdaptivePollingTests {
  private var polling = AdaptivePolling(processors: 2)
  private var now: UInt64 = 1_000_000

  init() { polling.begin() }

  /// A request comes `delay` after the first look; a look takes 1 µs. Returns for how long it was looked, nil if it was slept as well.
  private func wait(_ delay: UInt64, lookTakes: UInt64 = 1000) -> UInt64? {
    let start = now
    while true {
      if now - start >= delay {
        polling.found(afterSleeping: nil)
        return now - start
      }
      guard polling.looksAgain(at: now) else { break }
      now += lookTakes
    }
    let slept = start + delay - now
    now = start + delay
    polling.found(afterSleeping: slept)
    return nil
  }

  private func looksAgain() -> Bool { polling.looksAgain(at: now) }

  @Test func sleepsFirst() {
    #expect(wait(20_000) == nil)
  }

  @Test func looksWhereRequestsComeSoon() {
    _ = wait(20_000)
    for _ in 0..<10 { #expect(wait(20_000) != nil) }
  }

  @Test func sleepsWhereTheyComeLate() {
    for _ in 0..<20 { #expect(wait(10_000_000) == nil) }
    let start = now
    _ = wait(10_000_000)
    #expect(now - start == 10_000_000)
  }

  /// After one that came late it is looked for less long, and not at all in the end.
  @Test func learnsThatTheyComeLate() {
    _ = wait(20_000)
    _ = wait(20_000)
    var looks = 0
    for _ in 0..<20 {
      let start = now
      while polling.looksAgain(at: now) {
        now += 1000
        looks += 1
      }
      now = start + 5_000_000
      polling.found(afterSleeping: 4_000_000)
    }
    #expect(looks > 0 && looks < 200)
    #expect(!looksAgain())
  }

  /// The sender runs on this processor: as soon as the leader sleeps, the request comes. Looking would only keep it waiting.
  @Test func yieldsToWhoSharesTheProcessor() {
    _ = wait(20_000)
    _ = wait(20_000)
    // Looked for the whole window in vain.
    while polling.looksAgain(at: now) { now += 1000 }
    now += 5000
    polling.found(afterSleeping: 5000)
    for _ in 0..<100 {
      #expect(!looksAgain())
      now += 5000
      polling.found(afterSleeping: 5000)
    }
  }

  /// Another thread ran meanwhile.
  @Test func stopsWhenInterrupted() {
    _ = wait(20_000)
    _ = wait(20_000)
    let isLooking = [polling.looksAgain(at: now), polling.looksAgain(at: now + 100_000)]
    #expect(isLooking == [true, false])
  }

  @Test func oneProcessorIsForTheSender() {
    var polling = AdaptivePolling(processors: 1)
    for _ in 0..<10 {
      let looksAgain = polling.looksAgain(at: 1000)
      #expect(!looksAgain)
      polling.found(afterSleeping: 1000)
    }
  }
}
