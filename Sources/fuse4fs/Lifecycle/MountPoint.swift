import CFuse3
import FuseServer
import Glibc
import Synchronization
import SystemPackage

/// The directory to mount on, open from when it is looked up until something is mounted on it: names may lead elsewhere at any time.
final class MountPoint: Sendable {
  /// As it was given, for messages.
  private let name: String
  private let descriptor: CInt
  private let isOpen: Atomic<Bool>
  /// From the root, without links, as it was when it was opened.
  let path: String

  /// Opens a directory and checks that it can be mounted on. As with mount(8), its name may be a symbolic link.
  ///
  /// - Throws: a mount failure that says what is in the way and how to get past it.
  init(_ name: String) throws(StartupFailure) {
    self.name = name
    descriptor = cfuse_open_path(name)
    isOpen = Atomic(descriptor >= 0)
    guard descriptor >= 0 else {
      path = name
      throw Self.failure(name, .last)
    }
    let link = "/proc/self/fd/\(descriptor)"
    guard let target = SystemFile.target(of: link) else {
      path = name
      throw .mount("cannot use '\(name)' as mount point: there is no /proc")
    }
    path = target
    try check(link)
  }

  deinit { close() }

  /// What is mounted beneath it can be unmounted from here on.
  private func close() {
    if isOpen.exchange(false, ordering: .acquiringAndReleasing) { Glibc.close(descriptor) }
  }

  private func check(_ link: String) throws(StartupFailure) {
    let mountID = MountTable.mountID(ofDescriptor: descriptor)
    let mount = MountTable.current().entries.last { $0.mountPoint == path && $0.id == mountID }
    if let mount, Self.ownTypes.contains(mount.type) {
      // Its own daemon answers for it, or does not, which is worth telling apart.
      if access(link, F_OK) != 0, Errno.last == .socketNotConnected {
        throw Self.failure(name, .socketNotConnected)
      }
      throw .mount(
        "'\(name)' has '\(mount.source)' mounted on it already; unmount that first: "
          + "fusermount3 -u \(name)")
    }
    var status = stat()
    guard stat(link, &status) == 0 else { throw Self.failure(name, .last) }
    // What fusermount3 demands of those who are not root.
    if geteuid() != 0 && access(link, W_OK) != 0 {
      throw .mount(
        "you may not write to '\(name)', and so may not mount on it; use a directory of your own")
    }
  }

  /// Types that the mount table shows for mounts of ours.
  private static let ownTypes: Set<String> = ["fuse.fuse4fs", "fuse.ext4"]

  private static func failure(_ name: String, _ errno: Errno) -> StartupFailure {
    switch errno {
    case .noSuchFileOrDirectory:
      .mount("mount point '\(name)' does not exist; make it: mkdir \(name)")
    case .notDirectory:
      .mount("mount point '\(name)' is not a directory")
    case .socketNotConnected:
      .mount(
        "a FUSE daemon that has died left '\(name)' mounted; release it: fusermount3 -u \(name)")
    default:
      .mount("cannot use '\(name)' as mount point: \(errno)")
    }
  }

  /// Mounts on the directory that was opened, and says what the mount table has about it.
  ///
  /// Root's mount(2) follows the descriptor. For others fusermount3 mounts, which wants a path, and sees to it that the user may write to
  /// what that leads to; here it is found out whether it was the directory.
  ///
  /// - Parameter image: for messages.
  func mount(_ session: Session, _ image: String) throws(StartupFailure) -> MountTable.Entry {
    try mount(
      image,
      attach: { path throws(StartupFailure) in
        do throws(Session.Failure) {
          try session.mount(at: path)
        } catch {
          throw .mount("cannot mount '\(image)' on '\(name)'")
        }
      }, detach: { _ in session.unmount() })
  }

  /// The same by `attach`; `detach` undoes that. Both get a path that leads to the directory.
  func mount(
    _ image: String, attach: (String) throws(StartupFailure) -> Void, detach: (String) -> Void
  ) throws(StartupFailure) -> MountTable.Entry {
    defer { close() }
    let parent = MountTable.mountID(ofDescriptor: descriptor)
    try attach(geteuid() == 0 ? "/proc/self/fd/\(descriptor)" : path)
    let place = SystemFile.target(of: "/proc/self/fd/\(descriptor)")
    let entry = MountTable.current().entries.last { $0.mountPoint == place && $0.parent == parent }
    guard let entry, entry.type.hasPrefix("fuse") else {
      detach(path)
      throw .mount("cannot mount '\(image)' on '\(name)': that was moved meanwhile")
    }
    return entry
  }
}
