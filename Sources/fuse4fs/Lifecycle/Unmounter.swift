import FuseServer
import Glibc
import Logging
import Synchronization

/// Ends a mount on request: gently the first time, at once the second.
final class Unmounter: Sendable {
  private let session: Session
  private let mountpoint: String
  private let helper: UnmountHelper?
  /// The files that the kernel knows, where the mount is the caller's; nil where it is ours.
  private let callersNodes: (@Sendable () -> [NodeID])?
  private let isDetached = Atomic<Bool>(false)
  private let hasEnded = Atomic<Bool>(false)
  private let log = Logger(label: "fuse4fs")

  /// How long, in seconds, those who still use the file system may go on after it was asked to end.
  static let patience = 10

  init(
    session: Session, mountpoint: String, helper: UnmountHelper?,
    callersNodes: (@Sendable () -> [NodeID])? = nil
  ) {
    self.session = session
    self.mountpoint = mountpoint
    self.helper = helper
    self.callersNodes = callersNodes
  }

  /// A signal asks for the end. What the kernel has cached is received, the mount point is released, and those who have
  /// files open may go on for a while; a user who asks again does not want to wait for them.
  func request() {
    if isDetached.exchange(true, ordering: .acquiringAndReleasing) {
      session.stop()
      return
    }
    // On a thread of its own: it waits for requests to be served, and the next signal must find a thread that takes it.
    let context = Unmanaged.passRetained(self)
    var thread = pthread_t()
    let code = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<Unmounter>.fromOpaque(context!).takeRetainedValue().detach()
        return nil
      }, context.toOpaque())
    guard code == 0 else {
      context.release()
      session.stop()
      return
    }
    pthread_detach(thread)
  }

  private func detach() {
    if let callersNodes {
      // It stays mounted: all that can be done is to have what was written so far.
      session.writeBack(callersNodes())
      session.stop()
      return
    }
    KernelCache.writeBack(mountpoint)
    if let failure = helper?.unmount() {
      log.error("cannot unmount '\(mountpoint)': \(failure)")
      session.stop()
      return
    }
    for _ in 0..<(Self.patience * 10) {
      if hasEnded.load(ordering: .acquiring) { return }
      usleep(100_000)
    }
    log.warning(
      "\(mountpoint): still in use \(Self.patience) seconds after it was unmounted; ending all the same"
    )
    session.stop()
  }

  /// The session has ended; the mount point is released if that has not been done.
  func finish() {
    hasEnded.store(true, ordering: .releasing)
    guard !isDetached.load(ordering: .acquiring) else { return }
    guard let helper else { return session.unmount() }
    if session.isConnected, let failure = helper.unmount() {
      log.error("cannot unmount '\(mountpoint)': \(failure)")
    }
  }
}
