import Testing

@testable import Ext4

/// What direct writes must see to.
@Suite struct PageCacheStateTests {
  /// Writes until all pages are to be dropped; at most 1,000.
  private func writesUntilAll(_ state: borrowing PageCacheState) -> Int? {
    for count in 1...1000 {
      switch state.noteDirectWrite() {
      case .range: continue
      case .all: return count
      case .none: return nil
      }
    }
    return nil
  }

  private func expect(
    _ stale: PageCacheState.Stale, _ expected: PageCacheState.Stale,
    at place: SourceLocation = #_sourceLocation
  ) {
    #expect(stale == expected, sourceLocation: place)
  }

  @Test func aRowOfWritesDropsAllPagesOnce() throws {
    let state = PageCacheState()
    let found = writesUntilAll(state)
    let count = try #require(found)
    #expect(count > 8)
    // Until they are gone, each write sees to its own.
    expect(state.noteDirectWrite(), .range)
    state.wasDropped()
    expect(state.noteDirectWrite(), .none)
  }

  @Test func aReadBringsPagesBack() throws {
    let state = PageCacheState()
    let count = writesUntilAll(state)
    try #require(count != nil)
    state.wasDropped()
    state.noteRead()
    expect(state.noteDirectWrite(), .range)
    let again = writesUntilAll(state)
    #expect(again != nil)
  }

  @Test func aReadWhilePagesAreDroppedCounts() throws {
    let state = PageCacheState()
    let count = writesUntilAll(state)
    try #require(count != nil)
    state.noteRead()
    state.wasDropped()
    expect(state.noteDirectWrite(), .range)
  }

  @Test func readsBetweenWritesKeepTheRest() {
    let state = PageCacheState()
    for _ in 0..<1000 {
      expect(state.noteDirectWrite(), .range)
      state.noteRead()
    }
  }
}
