import Ext4
import FuseServer
import FuseTransport
import Glibc
import IomapCache

/// Work on files for which no request waits, on a thread of its own. This thread may send the kernel notifications even while the
/// kernel is getting rid of an inode, since it holds no lock and serves no request.
final class IomapReclaimer: @unchecked Sendable {
  private let volume: Volume
  private let publisher: MappingPublisher
  private let errorPolicy: RequestErrorPolicy
  private let monitor = Monitor()
  private var closed: [InodeNumber] = []
  private var mustWithdraw = false
  private var isStopped = false
  private var thread: OwnedThread?

  /// Seconds between looks at how many mappings the kernel holds.
  private static let interval = 1

  init(volume: Volume, publisher: MappingPublisher, errorPolicy: RequestErrorPolicy) {
    self.volume = volume
    self.publisher = publisher
    self.errorPolicy = errorPolicy
  }

  func start() {
    thread = OwnedThread { self.work() }
  }

  /// Returns when what was under way is done. What was not begun is left to the end of the volume.
  func stop() {
    monitor.withLock {
      isStopped = true
      monitor.wake()
    }
    thread?.join()
    thread = nil
  }

  /// The last descriptor of the file was closed, and it has blocks ahead of its end.
  func trim(_ inode: Inode) {
    monitor.withLock {
      closed.append(inode.number)
      monitor.wake()
    }
  }

  /// The file system has become read-only: the kernel is to ask before it writes, and hear that.
  func withdraw() {
    guard !volume.isBroken(at: .keepsMappingsOfReadOnlyFiles) else { return }
    publisher.withdraw()
    monitor.withLock {
      mustWithdraw = true
      monitor.wake()
    }
  }

  private func work() {
    while let (numbers, mustWithdraw) = next() {
      if mustWithdraw {
        for inode in volume.knownNodes where inode.usesIomap { publisher.forget(inode) }
      }
      for number in numbers { giveBackBlocks(of: number) }
      if publisher.isOverBudget { dropMappings() }
    }
  }

  /// What there is to do by now; nil when it is time to end.
  private func next() -> (closed: [InodeNumber], mustWithdraw: Bool)? {
    let deadline = Monitor.deadline(inMilliseconds: Self.interval * 1000)
    return monitor.withLock {
      while closed.isEmpty, !mustWithdraw, !isStopped {
        if !monitor.wait(until: deadline) { break }
      }
      if isStopped { return nil }
      defer {
        closed.removeAll()
        mustWithdraw = false
      }
      return (closed, mustWithdraw)
    }
  }

  private func giveBackBlocks(of number: InodeNumber) {
    guard let inode = volume.knownNode(number), let start = inode.announceTrim() else { return }
    if !volume.isBroken(at: .keepsTrimmedMappingsInKernel) { publisher.forget(inode, from: start) }
    let isDone = try? errorPolicy.attempt { () throws(Ext4Error) in try inode.finishTrim() }
    // The kernel has been told a number of blocks that is no longer true.
    if isDone == true { publisher.forgetAttributes(inode) }
  }

  private func dropMappings() {
    for inode in volume.knownNodes where inode.usesIomap && !publisher.hasRoom {
      if inode.published.withLock({ $0.count }) > 0 { publisher.forget(inode) }
    }
  }
}
