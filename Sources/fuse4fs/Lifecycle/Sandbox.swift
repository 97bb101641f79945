import Confinement
import Glibc
import Logging
import SystemPackage

/// What the daemon gives up once the mount is live: everything but to serve it.
struct Sandbox: Sendable {
  let wish: SandboxWish
  /// The descriptors that the process was started with.
  let inherited: [CInt]

  /// To be called when there is one thread, all that is needed is open, and no request but the first has been read.
  ///
  /// - Parameters:
  ///   - mount: where the kernel has it. The daemon opens its own root directory to have the kernel write back its cache. Nil where only
  ///     the caller knows.
  ///   - device: the file or block device with the file system.
  ///   - control: the control socket, if there is one.
  ///   - usesRings: requests come over io_uring.
  func enter(
    _ mount: MountTable.Entry?, device: CInt, control: CInt?, usesRings: Bool
  ) throws(StartupFailure) {
    let log = Logger(label: "fuse4fs")
    guard wish != .off else {
      log.info("sandbox: off")
      return
    }
    // Reads it when first asked for the time of day, as syslog(3) does.
    tzset()
    var confinement = Confinement()
    confinement.inheritedDescriptors = inherited
    confinement.listeningSocket = control
    confinement.allowsRings = usesRings
    // What callers may do, and their groups.
    confinement.readableDirectories = [.files("/proc")] + Self.queues(of: device).map { .files($0) }
    let root = mount.map(Self.open) ?? -1
    defer { if root >= 0 { close(root) } }
    if root >= 0 { confinement.readableDirectories.append(.lists(root)) }
    let report = confinement.apply()
    if wish == .on, !report.missing.isEmpty {
      throw .mount(
        "the daemon cannot be confined as -o sandbox=on asks; missing: \(report.missing.joined(separator: ", "))"
      )
    }
    let lacking = report.missing.isEmpty ? "" : "; not: \(report.missing.joined(separator: ", "))"
    log.info("sandbox: \(report.inForce.joined(separator: ", "))\(lacking)")
  }

  /// Where sysfs says what a block device can discard; that of the disk for a partition.
  private static func queues(of device: CInt) -> [String] {
    var status = stat()
    guard fstat(device, &status) == 0, status.st_mode & S_IFMT == S_IFBLK else { return [] }
    let directory = "/sys/dev/block/\(FileIdentity.sysfsNumber(of: status.st_rdev))"
    return [directory + "/queue", directory + "/../queue"]
  }

  /// The root of the mount, if the path still leads there; -1 otherwise.
  private static func open(_ mount: MountTable.Entry) -> CInt {
    let root = Confinement.openPath(mount.mountPoint)
    guard root >= 0, MountTable.mountID(ofDescriptor: root) != mount.id else { return root }
    close(root)
    return -1
  }
}
