import Ext4
import FuseServer
import FuseTransport
import Glibc
import IomapCache
import Journal
import Logging
import Synchronization
import SystemPackage

/// One mount, from opening the volume to the last flush.
final class Mount: Sendable {
  /// What a mount finds outside of it; tests put other things there.
  struct Environment: Sendable {
    var channel: any KernelChannel = DeviceChannel()
    /// The device by which the kernel could move data.
    var makeDevice: @Sendable (ImageSource) throws(IomapRefusal) -> any IomapDevice = {
      image throws(IomapRefusal) in try BlockSpecialFile.of(image)
    }
    var observer: (any BlockDeviceObserver)?
    /// Whether signals to the process end the mount.
    var watchesSignals = true
    /// Nil where the path in the options is for libfuse alone.
    var mountPoint: MountPoint?
    /// The mount was made by the caller, who also ends it.
    var isCallersMount = false
    /// What ends the mount; nil where libfuse or the caller does.
    var unmountHelper: UnmountHelper?
    var sandbox: Sandbox?
  }

  private let options: MountOptions
  private let image: ImageSource
  private let journals: JournalDevices
  private let environment: Environment
  /// Nil where the daemon moves data.
  private let device: (any IomapDevice)?
  let volume: Volume
  private let iomap: IomapServer?
  private let session: Session
  private let statistics: StatisticsSource
  private let incidents: IncidentLog
  private let errorPolicy: RequestErrorPolicy
  /// Why the kernel is not asked to move data.
  private let refusal: IomapRefusal?
  /// The kernel knows the block device, but does not move data.
  private let isBlockMount: Bool
  private let log = Logger(label: "fuse4fs")
  /// Whether everything could be written; nil before the end.
  private let closing = Mutex<Bool?>(nil)

  init(
    options: MountOptions, image: ImageSource, in environment: Environment = .init()
  ) throws(StartupFailure) {
    self.options = options
    self.image = image
    self.environment = environment
    journals = JournalDevices(options)
    if image.isOpenForReplay { try Replay.beforeReading(image, journals, options) }
    let data = try DataMover.choose(options, image, environment)
    device = data.device
    refusal = data.refusal
    isBlockMount =
      data.device == nil && !environment.isCallersMount && BlockMount.isPossible(options, image)
    let blocks = BlockDevice(
      fileDescriptor: data.device?.descriptor ?? image.fileDescriptor,
      byteOffset: data.device == nil ? image.byteOffset : 0, byteCount: image.byteCount,
      isWritable: image.isWritable, observer: environment.observer,
      waitPolicy: WaitPolicy(
        givesUp: { !Session.mayWait }, willWait: { Session.willWait() },
        hasChanged: { Session.noteChange() },
        didWait: { cause, nanoseconds in
          RequestStatistics.noteWait(for: cause.isLock ? .lock : .device, nanoseconds)
        }))
    var volumeOptions = Volume.Options(options)
    volumeOptions.journal = JournalEnvironment(image, journals)
    volumeOptions.isCallerGone = { Session.isCallerGone }
    do throws(MountRefusal) {
      volume = try Volume.open(blocks, options: volumeOptions)
    } catch {
      throw .mount("cannot mount '\(image.displayName)': \(error.description)")
    }
    incidents = IncidentLog(device: image.displayName)
    errorPolicy = RequestErrorPolicy(volume: volume, incidents: incidents)
    iomap = data.device.map { [volume, errorPolicy] device in
      IomapServer(
        volume: volume, device: device, usesCache: options.iomapCache ?? true,
        errorPolicy: errorPolicy)
    }
    if let iomap { errorPolicy.whenWritingStops { [weak iomap] in iomap?.withdraw() } }
    let ending = Ending()
    let operations = Ext4Operations(
      volume: volume, options: options, errorPolicy: errorPolicy, iomap: iomap,
      atEnd: { ending.mount?.end() })
    do throws(Session.Failure) {
      session = try Session(
        operations, iomap: iomap, channel: environment.channel,
        options: Self.sessionOptions(options, image, volume, isBlockMount: isBlockMount))
    } catch {
      if case .memory = error { throw .system("get memory for requests (ulimit -v)", .noMemory) }
      throw .usage("libfuse does not accept the mount options")
    }
    statistics = StatisticsSource(
      session: session, volume: volume, iomap: iomap, name: image.displayName)
    ending.mount = self
  }

  /// The mount, for the operations that it is made of.
  private final class Ending: @unchecked Sendable {
    weak var mount: Mount?
  }

  private static func sessionOptions(
    _ options: MountOptions, _ image: ImageSource, _ volume: Volume, isBlockMount: Bool
  ) -> Session.Options {
    var sessionOptions = Session.Options()
    sessionOptions.mountOptions = options.libfuseOptions(
      for: image, blockMountSize: isBlockMount ? volume.blockSize : nil)
    // A kernel that enforces ACLs enforces modes as well, which `fakeroot` is to be free of.
    sessionOptions.accessControlLists = (options.acl ?? true) && !options.fakeroot
    // The kernel gives permission by itself then, and tells ids as they are on disk.
    sessionOptions.mappedIDs =
      options.mappedIDs && (options.defaultPermissions || !options.fakeroot)
    sessionOptions.checksOpening = options.checkOpen
    sessionOptions.keepsProcessorsAwake = options.wantsProcessorsAwake
    sessionOptions.wakefulnessDescriptor = options.latencyDescriptor
    sessionOptions.usesRing = (options.ioUring ?? .off) != .off
    if options.debug { sessionOptions.trace = { Console.log($0) } }
    sessionOptions.timeGranularity = volume.timeGranularity
    sessionOptions.workerCount = options.singleThread ? 1 : workerCount
    return sessionOptions
  }

  /// Threads mostly wait for the disk, so there are more of them than processors.
  private static var workerCount: Int {
    max(4, min(16, 2 * sysconf(Int32(_SC_NPROCESSORS_ONLN))))
  }

  /// Returns when the file system is unmounted and everything is on disk.
  func run(readiness: Readiness) throws(StartupFailure) -> ExitCode {
    warnOfFileSizeLimit()
    do throws(Ext4Error) {
      for warning in try volume.startWriting() { Console.note(warning) }
    } catch {
      throw .mount(
        "cannot mount '\(image.displayName)' for writing: "
          + "\(IncidentLog.describe(error, on: volume)); run e2fsck on it, or mount it with -o ro")
    }
    let entry: MountTable.Entry?
    let control: CInt?
    do throws(StartupFailure) {
      (entry, control) = try mountSession()
    } catch {
      end()
      throw error
    }
    let unmounter = Unmounter(
      session: session, mountpoint: options.mountpoint, helper: environment.unmountHelper,
      callersNodes: environment.isCallersMount ? nodesOfKernel : nil)
    let committer = Committer(
      volume: volume, errorPolicy: errorPolicy, interval: options.commitInterval)
    var failure: StartupFailure?
    session.run {
      do throws(StartupFailure) {
        try reportDataMover()
        try reportRing()
        if let entry {
          hint()
          CacheLimits.raise(entry)
        }
        if entry != nil || environment.isCallersMount {
          try environment.sandbox?.enter(
            entry, device: device?.descriptor ?? image.fileDescriptor, control: control,
            usesRings: session.ringFailure == nil)
        }
        // From here on there are other threads.
        if environment.watchesSignals {
          try SignalWatcher.watch { [statistics] signal in
            if signal == SIGUSR1 { statistics.log() } else { unmounter.request() }
          }
        }
        if let control { try answerQuestions(at: control) }
      } catch {
        failure = error
        return false
      }
      iomap?.startReclaimer()
      guard committer.start() else {
        failure = .system("start a thread", .noMemory)
        return false
      }
      readiness.ready()
      return true
    }
    unmounter.finish()
    committer.stop()
    end()
    if let failure { throw failure }
    return closing.withLock { $0 } == true ? .success : .mountFailure
  }

  /// The files that the kernel knows.
  @Sendable private func nodesOfKernel() -> [NodeID] { volume.knownNumbers.map(\.nodeID) }

  private func warnOfFileSizeLimit() {
    guard !options.readOnly, let limit = FileSizeLimit.bytes, volume.device.isLimited(to: limit)
    else { return }
    Console.note(
      "what lies behind the first \(limit) bytes of '\(image.displayName)' cannot be written (ulimit -f)"
    )
  }

  /// Says what the mount table has about the mount, where it is a real one, and which the control socket is, if there is one.
  private func mountSession() throws(StartupFailure) -> (MountTable.Entry?, control: CInt?) {
    if isBlockMount { try image.yieldToKernel() }
    if let mountPoint = environment.mountPoint {
      let entry = try mountPoint.mount(session, image.displayName)
      let control = makeControlSocket(for: entry)
      environment.unmountHelper?.watch(entry, control)
      return (entry, control?.descriptor)
    }
    do throws(Session.Failure) {
      try session.mount(at: options.mountpoint)
    } catch {
      throw .mount("cannot mount '\(image.displayName)' on '\(options.mountpoint)'")
    }
    return (nil, options.controlDescriptor)
  }

  /// A mount does without, if it has to.
  private func makeControlSocket(for entry: MountTable.Entry) -> ControlSocket? {
    do throws(Errno) {
      return try ControlSocket(for: entry)
    } catch {
      log.info(
        "\(image.displayName): 'fuse4fs stats' finds no socket of this mount, since none could be made: \(error)"
      )
      return nil
    }
  }

  private func answerQuestions(at control: CInt) throws(StartupFailure) {
    let server = ControlServer(listener: control) { [statistics] form in
      statistics.current.text(as: form)
    }
    guard server.start() else { throw .system("start a thread", .noMemory) }
  }

  /// Says in one line who moves data, where that is news.
  private func reportDataMover() throws(StartupFailure) {
    switch session.iomapOutcome {
    case .success(let revision):
      log.info("\(image.displayName): the kernel moves file data (FUSE iomap, \(revision))")
    case .failure(let reason):
      let reason = refusal ?? reason
      if options.iomap == .always { throw DataMover.failure(image, reason) }
      guard options.iomap != .never else { return }
      log.info("\(image.displayName): the daemon moves file data, without iomap: \(reason.reason)")
    }
  }

  /// Says in one line how requests come, where that was left open.
  private func reportRing() throws(StartupFailure) {
    guard let reason = session.ringFailure?.reason else {
      return log.info("\(image.displayName): requests come over io_uring")
    }
    if options.ioUring == .on {
      throw .mount("\(image.displayName): requests cannot come over io_uring: \(reason)")
    }
    guard options.ioUring == .auto else { return }
    log.info("\(image.displayName): requests come by /dev/fuse, not over io_uring: \(reason)")
  }

  private func hint() {
    guard let root = try? volume.node(.root).status() else { return }
    if let hint = OwnershipHint.sentence(
      rootUID: root.userID, rootMode: root.mode, options: options)
    {
      Console.note(hint)
    }
  }

  /// The mount has ended: everything goes to disk, and the device is let go of. Once; a second caller waits for the first.
  private func end() {
    closing.withLock { result in
      guard result == nil else { return }
      iomap?.stop()
      result = closeVolume()
      errorPolicy.reportDamage()
      device?.close()
    }
  }

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

extension MountOptions {
  /// Whether processors are not to sleep while requests come one soon after the other.
  var wantsProcessorsAwake: Bool {
    switch keepAwake ?? .auto {
    case .auto: latencyDescriptor != nil || Session.suggestsKeepingAwake
    case .on: true
    case .off: false
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
    groupsFromDirectory = options.groupsFromDirectory
    reserveUser = options.reserveUser
    reserveGroup = options.reserveGroup
    discardsFreedBlocks = options.discard
    synchronous = options.synchronous
    synchronousDirectories = options.dirsync
    ordersData = options.dataOrder != .writeback
    usesBarriers = options.usesBarriers
    if let count = options.inodeReadAheadBlocks { inodeReadAheadBlocks = count }
    if let size = options.cacheSize { cacheSizes = CacheSizes(total: size) }
  }
}
