import CFuse3
import Confinement
import Glibc
import SystemPackage

/// A process that is set aside to end the mount: the daemon has given up what that takes, as fusermount3(1) has the set-user-ID bit.
///
/// It has neither the image nor /dev/fuse nor the terminal, does nothing until it is asked, and can be asked for one thing: to unmount the one
/// mount that it was told of before the daemon served it. When the daemon is gone it removes the file of the daemon's control socket, ends, and
/// leaves the mount as it is.
final class UnmountHelper: Sendable {
  private let channel: CInt

  private init(_ channel: CInt) { self.channel = channel }

  deinit { close(channel) }

  /// To be called before there is a second thread, and before anything is opened that the helper must not have.
  ///
  /// - Parameter mountpoint: for ps(1).
  static func start(for mountpoint: String) throws(StartupFailure) -> UnmountHelper {
    var ends: [CInt] = [-1, -1]
    guard socketpair(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue), 0, &ends) == 0 else {
      throw .system("make a pair of sockets", .last)
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let child = cfuse_fork()
    if child < 0 { throw .system("start the helper that unmounts", .last) }
    if child == 0 {
      detach(keeping: ends[1])
      rename("fuse4fs-umount \(mountpoint)")
      giveUpPrivileges()
      serve(ends[1])
    }
    close(ends[1])
    return UnmountHelper(ends[0])
  }

  /// Says which mount it is, and which file its control socket has. Once, before anything is read from strangers.
  func watch(_ mount: MountTable.Entry, _ control: ControlSocket?) {
    Self.send("\(mount.id) \(mount.device) \(control?.number ?? 0)", to: channel)
  }

  /// Takes the mount away at once; what is still open in it keeps working until it is closed. Returns when that is done, and says what went
  /// wrong; nil if nothing did.
  func unmount() -> String? {
    Self.send("unmount", to: channel)
    guard let answer = Self.receive(from: channel) else {
      return "the helper that unmounts is gone"
    }
    return answer == Self.done ? nil : answer
  }

  private static let done = "done"

  // MARK: The helper's side

  private static func serve(_ channel: CInt) -> Never {
    guard let words = receive(from: channel)?.split(separator: " "), words.count == 3,
      let id = Int(words[0]), let control = UInt64(words[2])
    else { _exit(0) }
    let device = String(words[1])
    while receive(from: channel) != nil {
      send(unmount(id, device: device) ?? done, to: channel)
    }
    // A new daemon may have made another one of this name by now.
    ControlSocket.remove(forDevice: device, number: control)
    _exit(0)
  }

  private static func unmount(_ id: Int, device: String) -> String? {
    let mount = MountTable.current().entries.last { $0.id == id && $0.device == device }
    // It is gone.
    guard let mount else { return nil }
    let directory = cfuse_open_path(mount.mountPoint)
    guard directory >= 0 else { return "\(Errno.last)" }
    defer { close(directory) }
    guard MountTable.mountID(ofDescriptor: directory) == id else {
      return "something else is mounted over it"
    }
    if geteuid() == 0, umount2("/proc/self/fd/\(directory)", CInt(MNT_DETACH)) == 0 { return nil }
    return Subprocess.run(["fusermount3", "-u", "-z", "--", mount.mountPoint])
  }

  /// Signals to the daemon's group and terminal are the daemon's affair.
  private static func detach(keeping channel: CInt) {
    setsid()
    for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE, SIGUSR1] {
      signal(number, SIG_IGN)
    }
    _ = chdir("/")
    let null = open("/dev/null", O_RDWR)
    for descriptor in STDIN_FILENO...STDERR_FILENO { dup2(null, descriptor) }
    for descriptor in Confinement.openDescriptors() where descriptor != channel {
      close(descriptor)
    }
  }

  /// For ps(1) and other programs that look for processes by their names.
  private static func rename(_ title: String) {
    title.withCString { name in
      _ = cfuse_process_control(PR_SET_NAME, UInt(bitPattern: name), 0)
    }
    guard let place = cfuse_command_line(),
      let length = SystemFile.contents("/proc/self/cmdline")?.utf8.count, length > 1
    else { return }
    let text = title.utf8.prefix(length - 1)
    for (index, byte) in text.enumerated() { place[index] = CChar(bitPattern: byte) }
    for index in text.count..<length { place[index] = 0 }
  }

  /// Root's has what umount(2) wants, and what it takes to get to the mount point.
  private static func giveUpPrivileges() {
    guard geteuid() == 0 else { return }
    _ = Confinement.forbidNewPrivileges()
    _ = Capabilities.keepOnly([.administer, .readOthersFiles])
  }

  // MARK: The channel

  private static func send(_ text: String, to channel: CInt) {
    let bytes = Array(text.utf8.prefix(capacity))
    while write(channel, bytes, bytes.count) < 0, errno == EINTR {}
  }

  private static let capacity = 4096

  /// Nil when the other side is gone.
  private static func receive(from channel: CInt) -> String? {
    withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 1) { bytes in
      var count = 0
      repeat {
        count = read(channel, bytes.baseAddress, bytes.count)
      } while count < 0
        && errno == EINTR
      return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
  }
}
