import CLinux
import Glibc
import Testing

@testable import FuseServer
@testable import FuseTransport

@Suite struct ThreadStatusTests {
  @Test func tellsIDsAndCapabilities() throws {
    let status = try #require(ThreadStatus(of: getpid()))
    #expect(
      status.values(of: "Uid").map { UInt32($0) } == [getuid(), geteuid(), geteuid(), geteuid()])
    #expect(status.values(of: "Gid").last.flatMap { UInt32($0) } == getegid())
    #expect(status.values(of: "CapEff").first.flatMap { UInt64($0, radix: 16) } != nil)
    #expect(status.values(of: "Cap").isEmpty)
  }

  /// The line of groups is longer than a page then, and capabilities come behind it.
  @Test(.enabled(if: getuid() == 0)) func manyGroupsAreNoObstacle() throws {
    let seen = Seen()
    let thread = try #require(
      OwnedThread {
        let groups = (0..<2000).map { gid_t(100_000 + $0) }
        guard clinux_set_thread_groups(groups.count, groups) == 0 else { return }
        let status = ThreadStatus(of: clinux_thread_number())
        seen.groups = status?.values(of: "Groups").count
        seen.isMemberOfLast = status?.isMember(of: 101_999)
        seen.isMemberOfNext = status?.isMember(of: 102_000)
        seen.capabilities = status?.values(of: "CapEff").count
      })
    thread.join()
    #expect(seen.groups == 2000)
    #expect(seen.isMemberOfLast == true)
    #expect(seen.isMemberOfNext == false)
    #expect(seen.capabilities == 1)
  }

  /// Belongs to the thread until it has been joined.
  private final class Seen: @unchecked Sendable {
    var groups: Int?
    var isMemberOfLast: Bool?
    var isMemberOfNext: Bool?
    var capabilities: Int?
  }
}
