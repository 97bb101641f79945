import FuseProtocol
import Glibc
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import FuseTransport

/// The ways of requests.
enum Way: Sendable, CaseIterable, CustomTestStringConvertible {
  case device
  case ring

  var testDescription: String { self == .device ? "/dev/fuse" : "io_uring" }

  /// Whether the kernel offers FUSE over io_uring, which scripts/test turns on.
  static let hasRing: Bool = {
    let setting = FilePath("/sys/module/fuse/parameters/enable_uring")
    let text = try? Syscall.withOpen(setting, O_RDONLY) { (file) throws(Errno) in
      try Syscall.read(file, count: 1, at: 0)
    }
    return text == Array("Y".utf8)
  }()

  /// Those that this kernel has.
  static var all: [Way] { hasRing ? allCases : [.device] }
}

/// All tests with mounts of their own: one after the other.
@Suite(
  "Transport mounts", .serialized,
  .enabled(if: geteuid() == 0, "mounting without fusermount3 needs root"))
enum TransportMounts {}

/// A scripted server behind a transport and a real mount.
final class TransportMount: @unchecked Sendable {
  let point: FilePath
  let server: ScriptedServer
  let way: Way
  private let descriptor: CInt
  private let transport: DeviceTransport
  private let ring = Mutex<RingTransport?>(nil)
  private let failure = Mutex<RingFailure?>(nil)
  private let hasEnded = Atomic<Bool>(false)
  private var thread: OwnedThread?

  /// Mounts, runs the body, and unmounts, which must take less than `patience` seconds; after so many seconds in the body the connection is aborted.
  static func with(
    _ way: Way, patience: Int = 30, _ body: (TransportMount) throws -> Void
  ) throws {
    try Scratch.with { scratch in
      let mount = try TransportMount(way, at: scratch.directory("mnt"))
      let watchdog = Watchdog(seconds: patience) { mount.abort() }
      let result = Result { try body(mount) }
      watchdog.callOff()
      let last = Watchdog(seconds: patience) { mount.abort() }
      mount.unmount()
      mount.join()
      last.callOff()
      try result.get()
      if way == .ring { #expect(mount.failure.withLock { $0?.reason } == nil) }
    }
  }

  private final class Offer: Sendable {
    let taken = Mutex<(@Sendable () -> Bool)?>(nil)
  }

  private init(_ way: Way, at point: FilePath) throws {
    self.point = point
    self.way = way
    descriptor = open("/dev/fuse", O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { throw Errno(rawValue: errno) }
    let options = "fd=\(descriptor),rootmode=40000,user_id=0,group_id=0,allow_other"
    guard
      mount("transport", point.string, "fuse.transport", UInt(MS_NODEV | MS_NOSUID), options) == 0
    else {
      close(descriptor)
      throw Errno(rawValue: errno)
    }
    let offer = Offer()
    server = ScriptedServer { isOffered in
      isOffered && offer.taken.withLock { $0 }?() ?? false
    }
    let interruptions = Interruptions()
    server.interruptions = interruptions
    guard let memory = TransferMemory(threadCount: 4) else { throw Errno.noMemory }
    DeviceTransport.makeThreadsWakeable()
    transport = DeviceTransport(
      on: descriptor, for: server, memory, interruptions, RequestStatistics(), .init())
    if way == .ring {
      offer.taken.withLock {
        $0 = { [unowned self] in makeRing(interruptions) }
      }
    }
    thread = OwnedThread { [self] in run() }
    guard thread != nil else { throw Errno.noMemory }
  }

  private func makeRing(_ interruptions: Interruptions) -> Bool {
    do throws(RingFailure) {
      let made = try RingTransport(
        on: descriptor, for: server, interruptions, RequestStatistics(), observer: nil,
        isBroken: { [weak self] failure in self?.failure.withLock { $0 = failure } })
      ring.withLock { $0 = made }
      return true
    } catch {
      failure.withLock { $0 = error }
      return false
    }
  }

  private func run() {
    transport.serve { server.isInitialized }
    let ring = ring.withLock { $0 }
    if ring == nil { transport.prepare { nil } }
    if let (failure, _) = ring?.start() { self.failure.withLock { $0 = failure } }
    transport.run()
    server.releaseHeld()
    ring?.finish()
    hasEnded.store(true, ordering: .releasing)
  }

  /// Requests of one processor's programs that can be under way at a time.
  var entriesPerQueue: Int { ring.withLock { $0?.entriesPerQueue ?? 64 } }

  var isOver: Bool { hasEnded.load(ordering: .acquiring) }

  func path(_ name: ScriptedServer.Name) -> FilePath { point.appending(name.text) }

  func inode(_ name: ScriptedServer.Name) throws(Errno) -> UInt64 {
    UInt64(try Syscall.lstat(path(name)).st_ino)
  }

  /// What a program gets that opens the file, and reads so much from `offset` on.
  func read(_ name: ScriptedServer.Name, count: Int, at offset: Int = 0) throws(Errno) -> [UInt8] {
    try Syscall.withOpen(path(name), O_RDONLY) { (file) throws(Errno) in
      try Syscall.read(file, count: count, at: offset)
    }
  }

  // MARK: Ends

  /// All requests fail with ECONNABORTED or ENOTCONN.
  func abort() { umount2(point.string, CInt(MNT_FORCE)) }

  /// The requests that are under way go on.
  func unmount() { umount2(point.string, CInt(MNT_DETACH)) }

  func stop() { transport.stop() }

  /// Returns when all threads have ended, and the descriptor is closed.
  func join() {
    thread?.join()
    thread = nil
    close(descriptor)
  }
}
