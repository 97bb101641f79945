import Foundation
import Synchronization
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// The daemon is killed while programs write, a hundred times: what they have synchronized is there at the next mount.
  @Suite struct KillTests {
    static let kills = 100

    @Test(arguments: ["ext4", "ext3"]) func whatWasSynchronizedOutlivesTheDaemon(_ type: String)
      throws
    {
      // Small enough that blocks change hands.
      try Site.with(size: "24M", type: type, blockSize: 1024, options: ["-J", "size=1"]) { site in
        var random = SeededGenerator(seed: 77)
        var writers = (0..<3).map { KilledWriter(number: $0) }
        for round in 0..<Self.kills / 2 {
          let mounted = try Mounted(site.image.path, at: site.point)
          for index in writers.indices { writers[index].start(in: site.point) }
          let churn = Churn(seed: UInt64(round), in: site.point)
          usleep(UInt32(random.number(5_000..<90_000)))
          Daemon.kill(at: site.point)
          for writer in writers { writer.waitForEnd() }
          churn.waitForEnd()
          try Mounted.waitForEnd(of: mounted.source)
          try Command(["umount", "--lazy", site.point.string]).succeed()
          // Afterwards e2fsck has nothing to say.
          try site.mount { root in
            for writer in writers { try writer.verify(in: root, round: round) }
          }
        }
        let steps = writers.map(\.progress.synchronized)
        print("\(type): \(Self.kills / 2) kills, steps synchronized by each writer: \(steps)")
        #expect(steps.allSatisfy { $0 > 20 }, "the daemon was killed before anything could happen")
      }
    }
  }
}

/// A program that saves a document and keeps a log, each step synchronized, until the file system is gone.
private struct KilledWriter: @unchecked Sendable {
  struct Progress: Sendable {
    /// The last step that has begun, and the last that fsync(2) has acknowledged.
    var begun = 0
    var synchronized = 0
    /// What it met that a killed daemon does not explain.
    var surprise: Errno?
  }

  let number: Int
  private let state = ProgressBox()
  private var thread: Thread?
  private let ended = DispatchSemaphore(value: 0)

  init(number: Int) { self.number = number }

  var progress: Progress { state.value.withLock { $0 } }

  private static let recordSize = 100

  /// Each step's document has a size of its own, and says everywhere which step it is of.
  private static func document(_ number: Int, _ step: Int) -> [UInt8] {
    let line = Array("writer \(number) step \(step)\n".utf8)
    let count = 200 + step * 797 % 30_000
    return Array((0...count / line.count).flatMap { _ in line }.prefix(count))
  }

  private static func record(_ number: Int, _ step: Int) -> [UInt8] {
    let text = "record \(number) \(step) "
    return Array(
      (text + String(repeating: ".", count: recordSize - 1 - text.utf8.count) + "\n").utf8)
  }

  mutating func start(in root: FilePath) {
    let (number, state, ended) = (number, state, ended)
    let directory = root.appending("writer\(number)")
    let thread = Thread {
      defer { ended.signal() }
      // Ends when the daemon is killed: every call fails from then on.
      do throws(Errno) {
        try Self.work(number, in: directory, state)
      } catch {
        if ![.socketNotConnected, .connectionAbort, .ioError].contains(error) {
          state.value.withLock { $0.surprise = error }
        }
      }
    }
    thread.start()
    self.thread = thread
  }

  func waitForEnd() { ended.wait() }

  private static func work(
    _ number: Int, in directory: FilePath, _ state: ProgressBox
  ) throws(Errno) {
    if (try? Syscall.lstat(directory)) == nil { try Syscall.mkdir(directory) }
    var step = state.value.withLock { $0.synchronized }
    while true {
      step += 1
      let current = step
      state.value.withLock { $0.begun = max($0.begun, current) }
      let new = directory.appending("new")
      try new.write(document(number, step))
      try Syscall.withOpen(new, O_RDONLY, Syscall.fsync)
      try Syscall.rename(new, directory.appending("document"))
      let log = try Syscall.open(directory.appending("log"), O_WRONLY | O_CREAT)
      defer { try? Syscall.close(log) }
      try Syscall.write(log, record(number, step), at: (step - 1) * recordSize)
      // The rename came before, and metadata is kept in order.
      try Syscall.fsync(log)
      if step % 7 == 0 { try Syscall.unlink(directory.appending("document")) }
      state.value.withLock { $0.synchronized = current }
    }
  }

  /// Everything that was acknowledged is there, and nothing that was never written.
  func verify(in root: FilePath, round: Int) throws {
    let directory = root.appending("writer\(number)")
    let progress = progress
    if let error = progress.surprise { throw Failure("round \(round), writer \(number): \(error)") }
    guard progress.synchronized > 0 else {
      // What was begun may be there.
      if directory.exists { try Command(["rm", "-rf", directory.string]).succeed() }
      return
    }
    let (first, last) = (progress.synchronized, progress.begun)
    let log = try directory.appending("log").bytes()
    guard log.count >= first * Self.recordSize, log.count <= last * Self.recordSize else {
      throw Failure(
        "round \(round), writer \(number): the log has \(log.count) bytes, steps \(first)...\(last)"
      )
    }
    for step in 1...first {
      let start = (step - 1) * Self.recordSize
      guard Array(log[start..<start + Self.recordSize]) == Self.record(number, step) else {
        throw Failure(
          "round \(round), writer \(number): record \(step) of \(first)...\(last) is not what was synchronized"
        )
      }
    }
    let path = directory.appending("document")
    guard path.exists else {
      // A step that removes it may have been the last; how many steps were carried out is not known.
      guard (first...last).contains(where: { $0 % 7 == 0 }) else {
        throw Failure(
          "round \(round), writer \(number): the document of step \(first)...\(last) is gone")
      }
      return
    }
    let document = try path.bytes()
    guard (first...last).contains(where: { Self.document(number, $0) == document }) else {
      throw Failure(
        "round \(round), writer \(number): the document is that of no step in \(first)...\(last), but "
          + "\(document.count) bytes beginning with \(String(decoding: document.prefix(40), as: UTF8.self))"
      )
    }
  }
}

private final class ProgressBox: Sendable {
  let value = Mutex(KilledWriter.Progress())
}

/// A program that synchronizes nothing, and changes names and sizes without a rest.
private final class Churn: Sendable {
  private let ended = DispatchSemaphore(value: 0)

  init(seed: UInt64, in root: FilePath) {
    let ended = ended
    Thread.detachNewThread {
      defer { ended.signal() }
      // Ends with the daemon.
      try? Self.work(seed, in: root.appending("churn"))
    }
  }

  func waitForEnd() { ended.wait() }

  private static func work(_ seed: UInt64, in directory: FilePath) throws(Errno) {
    var random = SeededGenerator(seed: seed)
    if (try? Syscall.lstat(directory)) == nil { try Syscall.mkdir(directory) }
    while true {
      let path = directory.appending("n\(random.number(0..<12))")
      let other = directory.appending("n\(random.number(0..<12))")
      do throws(Errno) {
        switch random.number(0..<8) {
        case 0: try Syscall.mkdir(path)
        case 1: try Syscall.rmdir(path)
        case 2: try Syscall.unlink(path)
        case 3: try Syscall.rename(path, other)
        case 4: try Syscall.link(path, other)
        case 5: try Syscall.truncate(path, size: random.number(0..<200_000))
        default: try path.write([UInt8](repeating: 7, count: random.number(1..<60_000)))
        }
      } catch {
        guard
          [
            .fileExists, .noSuchFileOrDirectory, .isDirectory, .notDirectory, .directoryNotEmpty,
            .noSpace, .notPermitted,
          ].contains(error)
        else { throw error }
      }
    }
  }
}
