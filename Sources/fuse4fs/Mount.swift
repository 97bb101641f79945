import Ext4
import FuseSession
import Glibc
import Journal
import Logging
import SystemPackage

/// One mount, from opening the volume to the last flush.
final class Mount: Sendable {
  private let options: MountOptions
  private let image: ImageSource
  private let volume: Volume
  private let session: Session
  private let incidents: IncidentLog
  private let log = Logger(label: "fuse4fs")

  init(options: MountOptions, image: ImageSource) throws(StartupFailure) {
    self.options = options
    self.image = image
    let device = BlockDevice(
      fileDescriptor: image.fileDescriptor, byteOffset: image.byteOffset,
      byteCount: image.byteCount, isWritable: image.isWritable)
    do throws(MountRefusal) {
      volume = try Volume.open(device, options: Volume.Options(options))
    } catch {
      throw .mount("cannot mount '\(image.displayName)': \(error.description)")
    }
    incidents = IncidentLog(device: image.displayName)
    var sessionOptions = Session.Options()
    sessionOptions.mountOptions = options.libfuseOptions(for: image)
    // A kernel that enforces ACLs enforces modes as well, which `fakeroot` is to be free of.
    sessionOptions.accessControlLists = (options.acl ?? true) && !options.fakeroot
    sessionOptions.debug = options.debug
    sessionOptions.timeGranularity = volume.timeGranularity
    sessionOptions.workerCount = options.singleThread ? 1 : Self.workerCount
    do throws(Session.Failure) {
      session = try Session(
        Ext4Operations(volume: volume, options: options, incidents: incidents),
        options: sessionOptions)
    } catch {
      throw .usage("libfuse does not accept the mount options")
    }
  }

  /// Threads mostly wait for the disk, so there are more of them than processors.
  private static var workerCount: Int {
    max(4, min(16, 2 * sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  }

  /// Returns when the file system is unmounted and everything is on disk.
  func run(readiness: Readiness) throws(StartupFailure) -> ExitCode {
    do throws(Ext4Error) {
      for warning in try volume.startWriting() { Console.note(warning) }
    } catch {
      throw .mount(
        "cannot mount '\(image.displayName)' for writing: \(error.errno); run e2fsck on it, or mount it "
          + "with -o ro")
    }
    do throws(Session.Failure) {
      try session.mount(at: options.mountpoint)
    } catch {
      closeVolume()
      throw .mount("cannot mount '\(image.displayName)' on '\(options.mountpoint)'")
    }
    let unmounter = Unmounter(session: session, mountpoint: options.mountpoint)
    try SignalWatcher.watch { _ in unmounter.request() }
    let committer = Committer(volume: volume, incidents: incidents)
    session.run {
      hint()
      committer.start()
      readiness.ready()
    }
    unmounter.finish()
    committer.stop()
    return closeVolume() ? .success : .mountFailure
  }

  private func hint() {
    guard let root = try? volume.node(.root).status() else { return }
    if let hint = OwnershipHint.sentence(
      rootUID: root.userID, rootMode: root.mode, options: options)
    {
      Console.note(hint)
    }
  }

  @discardableResult
  private func closeVolume() -> Bool {
    do throws(Ext4Error) {
      try volume.close()
      return true
    } catch {
      incidents.record(error, on: volume)
      log.error("\(image.displayName): not everything could be written; run e2fsck on it")
      return false
    }
  }
}

extension Volume.Options {
  init(_ options: MountOptions) {
    self.init()
    readOnly = options.readOnly
    noRecovery = options.noRecovery
    onError =
      switch options.errors {
      case nil: nil
      case .continue: .carryOn
      case .remountReadOnly: .remountReadOnly
      case .panic: .panic
      }
    accessControlLists = options.acl
    userAttributes = options.userXattr
    minixDF = options.minixDF
    synchronous = options.synchronous
    synchronousDirectories = options.dirsync
  }
}
