import Testing

@testable import FuseServer

@Suite struct ReaddirplusPolicyTests {
  private let habits = ReaddirplusPolicy()
  private let thread: Int32 = 4711

  private func directory(_ number: UInt64) -> NodeID { NodeID(number) }

  /// A listing as the kernel asks for it: attributes at the beginning, and at the end if some have been looked at.
  private func list(_ number: UInt64, isLookedAt: Bool = false) -> Bool {
    let gives = habits.givesAttributes(to: thread, in: directory(number), from: 0)
    if isLookedAt {
      _ = habits.givesAttributes(to: thread, in: directory(number), from: 100)
    } else {
      habits.noteNamesWanted(by: thread, in: directory(number))
    }
    return gives
  }

  @Test func whoAsksForNamesOnlyGetsAttributesOnce() {
    #expect((1...5).map { list($0) } == [true, false, false, false, false])
  }

  /// As `ls -l` does.
  @Test func whoLooksAtOnceAlwaysGetsThem() {
    for number in UInt64(1)...5 { #expect(list(number, isLookedAt: true)) }
  }

  /// As `find -newer` does.
  @Test func whoLooksAfterTheListingMissesThemOnce() {
    #expect(list(1))
    #expect(!list(2))
    habits.noteLookup(by: thread, in: directory(2))
    for number in UInt64(3)...9 { #expect(list(number)) }
  }

  @Test func lookupsElsewhereAndOfOthersSayNothing() {
    #expect(list(1))
    #expect(!list(2))
    habits.noteLookup(by: thread, in: directory(1))
    habits.noteLookup(by: thread + 1, in: directory(2))
    #expect(!list(3))
  }

  @Test func anotherThreadHasItsOwnHabits() {
    #expect(list(1))
    #expect(!list(2))
    #expect(habits.givesAttributes(to: thread + 1, in: directory(3), from: 0))
    #expect(!list(4))
  }

  /// The kernel does not say who a thread of another namespace is.
  @Test func threadsWithoutNumberAlwaysGetThem() {
    for number in UInt64(1)...3 {
      #expect(habits.givesAttributes(to: 0, in: directory(number), from: 0))
      habits.noteNamesWanted(by: 0, in: directory(number))
    }
  }

  @Test func largeNumbersAreTold() {
    let last: Int32 = 1 << 22 - 1
    let node = directory(1 << 32 - 1)
    #expect(habits.givesAttributes(to: last, in: node, from: 0))
    habits.noteNamesWanted(by: last, in: node)
    #expect(!habits.givesAttributes(to: last, in: node, from: 0))
    habits.noteLookup(by: last, in: node)
    #expect(habits.givesAttributes(to: last, in: node, from: 0))
  }
}
