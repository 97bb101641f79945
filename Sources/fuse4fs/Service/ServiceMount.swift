import CFuse3
import FuseServer
import Glibc
import SystemPackage

/// The mount of a unit that root makes, and another process serves which has no privileges: the steps before and after that process.
enum ServiceMount {
  /// `--systemd mount`: what takes privileges. Of the image it reads no more than where the file system is in it.
  static func make(_ options: MountOptions) throws(StartupFailure) {
    let manager = try ServiceManager()
    let mountPoint = try MountPoint(options.mountpoint)
    let image = try ImageSource(options: options)
    var journal: JournalDevice?
    if let path = options.journalPath { journal = try JournalDevice(path: path) }
    let fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC)
    guard fuse >= 0 else {
      throw .mount(
        "cannot open /dev/fuse: \(Errno.last); load the kernel's module (modprobe fuse), and give the unit "
          + "DeviceAllow=/dev/fuse rw")
    }
    defer { close(fuse) }
    var descriptors = [(ServiceDescriptor.fuse, fuse), (.device, image.fileDescriptor)]
    if let journal { descriptors.append((.journal, journal.descriptor)) }
    let latency = Session.openWakefulness(isWanted: options.wantsProcessorsAwake)
    defer { if let latency { close(latency) } }
    if let latency { descriptors.append((.latency, latency)) }

    let isBlockMount = BlockMount.isPossible(options, image)
    if isBlockMount { try image.yieldToKernel() }
    let kind = FuseFileSystem(options, image, isBlockMount: isBlockMount)
    let entry = try mountPoint.mount(
      image.displayName,
      attach: { path throws(StartupFailure) in try kind.mount(on: path, by: fuse) },
      detach: { path in umount2(path, CInt(MNT_DETACH)) })
    do throws(StartupFailure) {
      CacheLimits.raise(entry)
      // The mount does without, if it has to.
      let control = try? ControlSocket(for: entry)
      defer { if let control { close(control.descriptor) } }
      if let control { descriptors.append((.socket, control.descriptor)) }
      try manager.keep(descriptors)
    } catch {
      ControlSocket.remove(forDevice: entry.device)
      umount2(entry.mountPoint, CInt(MNT_DETACH))
      throw error
    }
    withExtendedLifetime((image, journal)) {}
  }

  /// `--systemd serve`: the options of a daemon that has been given what `make` has opened.
  static func receive(
    _ options: MountOptions, _ manager: ServiceManager
  ) throws(StartupFailure) -> MountOptions {
    let descriptors = try manager.take()
    guard let device = descriptors[.device], let fuse = descriptors[.fuse] else {
      throw .usage(
        "the service manager has not passed the descriptors 'device' and 'fuse': another one was closed meanwhile, or "
          + "'fuse4fs --systemd mount' is not a command of this unit")
    }
    var options = options
    options.deviceName = options.device
    options.device = "/proc/self/fd/\(device)"
    options.mountpoint = "/dev/fd/\(fuse)"
    if let journal = descriptors[.journal] { options.journalPath = "/proc/self/fd/\(journal)" }
    options.latencyDescriptor = descriptors[.latency]
    options.controlDescriptor = descriptors[.socket]
    return options
  }

  /// `--systemd unmount`: takes away what `make` has mounted, if it is still there, and waits for the process that serves it.
  static func end(_ options: MountOptions) throws(StartupFailure) {
    let directory = cfuse_open_path(options.mountpoint)
    guard directory >= 0 else { return }
    let daemon = ServiceManager.variable("MAINPID").flatMap { pid_t($0) }
    let isUnmounted: Bool
    do {
      // The mount is there for as long as the directory is open.
      defer { close(directory) }
      isUnmounted = try unmount(directory, options, isServed: daemon != nil)
    }
    if isUnmounted, let daemon { awaitEnd(of: daemon) }
    // Where root has unmounted already, which one it was is not known any more.
    ControlSocket.removeAbandoned()
  }

  /// `isServed`: whether there is a process that answers. Where none ever came, what asks the mount waits for as long as the service manager
  /// has the descriptor.
  private static func unmount(
    _ directory: CInt, _ options: MountOptions, isServed: Bool
  ) throws(StartupFailure) -> Bool {
    let link = "/proc/self/fd/\(directory)"
    let id = MountTable.mountID(ofDescriptor: directory)
    let kind = FuseFileSystem(options)
    let entry = MountTable.current().entries.last { entry in
      entry.id == id && kind.types.contains(entry.type) && entry.source == kind.source
    }
    guard let entry, entry.mountPoint == SystemFile.target(of: link) else { return false }
    if isServed { KernelCache.writeBack(link) }
    guard umount2(link, CInt(MNT_DETACH)) == 0 else {
      throw .mount("cannot unmount '\(options.mountpoint)': \(Errno.last)")
    }
    return true
  }

  /// What is open in the mount may be used a while longer; then the service manager ends the daemon.
  private static func awaitEnd(of daemon: pid_t) {
    for _ in 0..<(Unmounter.patience * 20) {
      guard kill(daemon, 0) == 0 else { return }
      usleep(50_000)
    }
  }
}

/// What mount(2) needs to know of a FUSE mount.
private struct FuseFileSystem {
  let source: String
  private let subtype: String
  private let flags: UInt
  /// Without the descriptor.
  private let data: String
  private let isBlockMount: Bool

  init(_ options: MountOptions, _ image: ImageSource? = nil, isBlockMount: Bool = false) {
    source =
      options.fsName ?? image?.path ?? SystemFile.absolute(options.device) ?? options.device
    subtype = options.subtype ?? "fuse4fs"
    self.isBlockMount = isBlockMount
    flags = options.mountFlags
    var list = ["rootmode=40000", "user_id=\(geteuid())", "group_id=\(getegid())"]
    if options.allowOther || options.allowRoot { list.append("allow_other") }
    if options.defaultPermissions || !options.fakeroot { list.append("default_permissions") }
    if isBlockMount, let size = image?.blockMountSize { list.append("blksize=\(size)") }
    data = list.joined(separator: ",")
  }

  /// What the mount table may show.
  var types: [String] { ["fuse.\(subtype)", "fuseblk.\(subtype)"] }

  func mount(on path: String, by fuse: CInt) throws(StartupFailure) {
    let type = isBlockMount ? types[1] : types[0]
    guard Glibc.mount(source, path, type, flags, "fd=\(fuse),\(data)") == 0 else {
      throw .system("mount '\(source)'", .last)
    }
  }
}
