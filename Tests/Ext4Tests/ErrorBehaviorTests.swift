import TestSupport
import Testing

@testable import Ext4

/// What an image may have done about errors.
@Suite struct ErrorBehaviorTests {
  @Test(arguments: [("continue", false), ("remount-ro", true), ("panic", true)])
  func noImageEndsTheDaemon(_ wish: String, _ stopsWriting: Bool) throws {
    try DirectoryFixture.with(size: "8M", setUp: ["tune2fs", "-e", wish]) { fixture in
      #expect(fixture.volume.onError == (stopsWriting ? .remountReadOnly : .carryOn))
    }
  }
}
