import CFuse3
import CLinux
import Glibc
import IomapCache
import Synchronization
import SystemPackage
import Testing

@testable import FuseServer

/// When the kernel must drop the listing that it keeps.
@Suite struct ListingFreshnessTests {
  private let freshness = ListingFreshness()
  private let directory = NodeID(7)

  /// Listings without a change meanwhile.
  @Test func aQuietDirectoryMayBeKept() {
    for thread: Int32 in 1...3 {
      freshness.noteRequest(by: thread, in: directory)
      freshness.noteRequest(by: thread, in: directory)
      #expect(!freshness.noteEnd(by: thread, in: directory))
      freshness.noteChange(in: directory)
    }
  }

  @Test func changesElsewhereDoNotMatter() {
    freshness.noteRequest(by: 1, in: directory)
    freshness.noteChange(in: NodeID(8))
    #expect(!freshness.noteEnd(by: 1, in: directory))
  }

  @Test func aChangeDuringTheListing() {
    freshness.noteRequest(by: 1, in: directory)
    freshness.noteChange(in: directory)
    freshness.noteRequest(by: 1, in: directory)
    #expect(freshness.noteEnd(by: 1, in: directory))
    // It has come to its end: what comes later is none of its business.
    freshness.noteRequest(by: 1, in: directory)
    #expect(!freshness.noteEnd(by: 1, in: directory))
  }

  /// The answer to the first thread may be kept among those to the second, whose listing is newer.
  @Test func aChangeDuringTheListingOfAnother() {
    freshness.noteRequest(by: 1, in: directory)
    freshness.noteChange(in: directory)
    freshness.noteRequest(by: 2, in: directory)
    #expect(freshness.noteEnd(by: 2, in: directory))
    #expect(freshness.noteEnd(by: 1, in: directory))
    freshness.noteRequest(by: 2, in: directory)
    #expect(!freshness.noteEnd(by: 2, in: directory))
  }

  /// A thread that begins again has not thereby taken back what the kernel keeps.
  @Test func aListingThatBeginsAgain() {
    freshness.noteRequest(by: 1, in: directory)
    freshness.noteChange(in: directory)
    freshness.noteRequest(by: 1, in: directory)
    freshness.noteRequest(by: 2, in: directory)
    #expect(freshness.noteEnd(by: 2, in: directory))
  }

  @Test func threadsWithoutANumberCannotBeToldApart() {
    freshness.noteRequest(by: 0, in: directory)
    #expect(!freshness.noteEnd(by: 0, in: directory))
    freshness.noteChange(in: directory)
    for _ in 0..<2 {
      freshness.noteRequest(by: 0, in: directory)
      #expect(freshness.noteEnd(by: 0, in: directory))
    }
  }

  @Test func moreListingsThanThereIsRoomFor() {
    let freshness = ListingFreshness(places: 1, capacity: 4)
    for thread: Int32 in 1...5 { freshness.noteRequest(by: thread, in: directory) }
    freshness.noteChange(in: directory)
    for thread: Int32 in 2...5 { #expect(freshness.noteEnd(by: thread, in: directory)) }
    freshness.noteRequest(by: 6, in: directory)
    #expect(freshness.noteEnd(by: 6, in: directory), "the first may have an answer on its way")
  }

  // MARK: On the wire

  /// Notes what the kernel is told.
  private final class Notifications: KernelChannel {
    let sent = Mutex<[[UInt8]]>([])
    /// How many notifications may have kept the thread waiting that reads requests.
    let waits = Mutex(0)

    func iomapSupport() -> IomapWire.SupportFlags { [] }
    func connect(_ descriptor: CInt) {}
    func register(device descriptor: CInt) throws(Errno) -> DeviceCookie { throw .noFunction }
    func forbidReclaim() throws(Errno) {}
    func clone() -> CInt? { nil }
    func send(notification: UnsafeRawBufferPointer) throws(Errno) { waits.withLock { $0 += 1 } }
    func sendWithoutWaiting(notification: UnsafeRawBufferPointer) throws(Errno) {
      let bytes = Array(notification)
      sent.withLock { $0.append(bytes) }
    }
  }

  @Test func theKernelIsToldBeforeTheEmptyAnswer() throws {
    let notifications = Notifications()
    let kernel = try SocketKernel(channel: notifications)
    try kernel.initialize()
    kernel.files.script.withLock { script in
      script.listing = ["a", "b"]
      for name in ["a", "b"] {
        script.entries[name] = Entry(
          node: NodeID(9), generation: 0, attributes: .sample(inode: 9, mode: 0o100_644))
      }
    }
    func read(from offset: UInt64) throws -> Int {
      var request = fuse_read_in()
      request.offset = offset
      request.size = 4096
      return try kernel.ask(FUSE_READDIR.rawValue, node: 7, bytes(of: request)).payload.count
    }
    #expect(try read(from: 0) > 0)
    #expect(try read(from: 2) == 0)
    #expect(notifications.sent.withLock { $0.isEmpty })

    #expect(try read(from: 0) > 0)
    // It fails, which makes no difference.
    _ = try kernel.ask(FUSE_UNLINK.rawValue, node: 7, Array("a".utf8) + [0])
    #expect(notifications.sent.withLock { $0.isEmpty })
    #expect(try read(from: 2) == 0)
    let sent = notifications.sent.withLock { $0 }
    #expect(sent.count == 1)
    #expect(notifications.waits.withLock { $0 } == 0)
    let notification = try #require(sent.first)
    #expect(
      load(fuse_out_header.self, notification).error == Int32(FUSE_NOTIFY_INVAL_INODE.rawValue))
    let inode = load(
      fuse_notify_inval_inode_out.self, notification, at: MemoryLayout<fuse_out_header>.size)
    #expect(inode.ino == 7 && inode.off == 0 && inode.len == 0)
  }
}
