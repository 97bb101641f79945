import Ext4
import FuseServer
import Glibc
import Journal
import Synchronization
import SystemPackage

/// The one place where what went wrong in the file system becomes an errno for the kernel, and damage is recorded.
final class RequestErrorPolicy: Sendable {
  private let volume: Volume
  private let incidents: IncidentLog
  /// Told when writing has stopped. Set before there is a second thread.
  private let stopped = Mutex<(@Sendable () -> Void)?>(nil)

  init(volume: Volume, incidents: IncidentLog) {
    self.volume = volume
    self.incidents = incidents
  }

  @inline(__always)
  func attempt<T>(_ body: () throws(Ext4Error) -> T) throws(Errno) -> T {
    guard !volume.hasShutDown else { throw .ioError }
    return try attemptAnyway(body)
  }

  /// The same for what only looks at metadata, which after a shutdown on request still can be done.
  @inline(__always)
  func attemptToLook<T>(_ body: () throws(Ext4Error) -> T) throws(Errno) -> T {
    guard volume.canBeLookedAt else { throw .ioError }
    return try attemptAnyway(body)
  }

  @inline(__always)
  private func attemptAnyway<T>(_ body: () throws(Ext4Error) -> T) throws(Errno) -> T {
    do throws(Ext4Error) {
      return try body()
    } catch {
      return try recover(from: error, body)
    }
  }

  private func recover<T>(
    from error: Ext4Error, _ body: () throws(Ext4Error) -> T
  ) throws(Errno) -> T {
    var failure = error
    if failure.errno == .noSpace {
      // What follows takes milliseconds.
      guard Session.mayWait else { throw .wouldWait }
      Session.willWait()
    }
    // Freed blocks that wait for a commit are there for the asking.
    if failure.errno == .noSpace, volume.hasFreedBlocks {
      do throws(Ext4Error) {
        try volume.synchronize()
        return try body()
      } catch {
        failure = error
      }
    }
    // Space of files just unlinked comes back when the kernel forgets them, which is on its way.
    for milliseconds in [1, 2, 4, 8, 16] where failure.errno == .noSpace && volume.hasOrphans {
      usleep(UInt32(milliseconds) * 1000)
      do throws(Ext4Error) {
        if volume.hasFreedBlocks { try volume.synchronize() }
        return try body()
      } catch {
        failure = error
      }
    }
    if failure.isDamage || failure.isFileSizeLimit { record(failure) }
    throw failure.errno
  }

  /// What goes wrong in `body`; damage is recorded.
  func failure(in body: () throws(Ext4Error) -> Void) -> Errno? {
    do throws(Errno) {
      try attempt(body)
      return nil
    } catch {
      return error
    }
  }

  /// Calls `body` once writing has stopped because of damage.
  func whenWritingStops(_ body: @escaping @Sendable () -> Void) {
    stopped.withLock { $0 = body }
  }

  /// Something is wrong with the file system or its device.
  func record(_ failure: Ext4Error) {
    // What fails because nothing may be written any more is no damage.
    guard !volume.hasShutDown else { return }
    guard incidents.record(failure, on: volume) else { return }
    stopped.withLock { $0 }?()
  }

  /// Tells of damage that was found and worked around since the last call. No lock of the volume's may be held.
  func reportDamage() {
    for error in volume.takeDamage() where incidents.report(error, on: volume) {
      stopped.withLock { $0 }?()
    }
  }
}
