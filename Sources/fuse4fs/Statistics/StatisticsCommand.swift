import CFuse3
import Glibc
import SystemPackage

/// `fuse4fs stats MOUNTPOINT`: asks the daemon that serves a mount, by its control socket, and prints the answer.
///
/// The mount is looked up in the mount table and by its root directory, neither of which takes the daemon.
enum StatisticsCommand {
  /// What a command line asks for.
  struct Options: Sendable, Equatable {
    var mountpoint: String
    var form: StatisticsForm
  }

  /// Milliseconds.
  private static let patience = 5000
  /// Bytes. The largest answer, with all operations in the format of Prometheus, has 200,000 or so.
  private static let largestAnswer = 16 << 20

  static func run(_ options: Options) throws(StartupFailure) {
    let mount = try find(options.mountpoint)
    try checkUser(of: mount, options.mountpoint)
    let connection = try connect(to: mount, options.mountpoint)
    let answer: [UInt8]
    do throws(Errno) {
      let deadline = ControlConnection.deadline(inMilliseconds: patience)
      try connection.write(Array("\(options.form.rawValue)\n".utf8), until: deadline)
      answer = try connection.read(atMost: largestAnswer, until: deadline)
    } catch {
      throw .mount("the daemon of '\(options.mountpoint)' does not answer: \(error)")
    }
    guard !answer.isEmpty else {
      throw .mount("the daemon of '\(options.mountpoint)' does not answer")
    }
    try print(answer)
  }

  private static func find(_ mountpoint: String) throws(StartupFailure) -> MountTable.Entry {
    let directory = cfuse_open_path(mountpoint)
    guard directory >= 0 else { throw .mount("cannot open '\(mountpoint)': \(Errno.last)") }
    defer { close(directory) }
    let id = MountTable.mountID(ofDescriptor: directory)
    let mount = MountTable.current().entries.last { $0.id == id }
    guard let mount else {
      throw .mount("cannot find out what is mounted on '\(mountpoint)': there is no /proc")
    }
    guard mount.type.hasPrefix("fuse.") || mount.type.hasPrefix("fuseblk") || mount.type == "fuse",
      let link = SystemFile.target(of: "/proc/self/fd/\(directory)"), link == mount.mountPoint
    else { throw .mount("'\(mountpoint)' is not the mount point of a fuse4fs mount") }
    return mount
  }

  /// Root, and the owner of the mount.
  private static func checkUser(
    of mount: MountTable.Entry, _ mountpoint: String
  ) throws(StartupFailure) {
    let user = geteuid()
    guard user != 0, let owner = mount.userID, owner != user else { return }
    throw .mount(
      "'\(mountpoint)' is a mount of user \(owner): only that user and root may see its statistics")
  }

  private static func connect(
    to mount: MountTable.Entry, _ mountpoint: String
  ) throws(StartupFailure) -> ControlConnection {
    let name = ControlSocket.name(forDevice: mount.device)
    let owner = mount.userID ?? geteuid()
    for path in ControlDirectory.candidates(for: owner) {
      guard let directory = ControlDirectory(path, of: owner),
        directory.number(ofSocket: name) != nil
      else { continue }
      return try connect(to: directory.path(to: name), mountpoint)
    }
    throw .mount(
      "no control socket of '\(mountpoint)' was found: its daemon has ended, is not fuse4fs, or found no directory "
        + "for a socket (then kill -USR1 has it log its statistics)")
  }

  private static func connect(
    to path: String, _ mountpoint: String
  ) throws(StartupFailure) -> ControlConnection {
    do throws(Errno) {
      return try ControlConnection(to: path)
    } catch {
      switch error {
      case .connectionRefused: throw .mount("the daemon of '\(mountpoint)' has ended")
      // Other clients are waiting, too.
      case .resourceTemporarilyUnavailable:
        throw .mount("the daemon of '\(mountpoint)' does not answer")
      default: throw .mount("cannot reach the daemon of '\(mountpoint)': \(error)")
      }
    }
  }

  private static func print(_ bytes: [UInt8]) throws(StartupFailure) {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        write(STDOUT_FILENO, $0.baseAddress! + done, $0.count - done)
      }
      if count >= 0 { done += count } else if errno != EINTR { throw .system("write", .last) }
    }
  }
}
