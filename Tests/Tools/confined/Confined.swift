import CFuse3
import Confinement
import Glibc
import SystemPackage

/// `confined DIRECTORY PART...`: confines itself with these parts of `Confinement` as the daemon does, tries what it must not be able to do
/// and what it must, and prints a line for each try: its name, and "ok" or the number of the error.
///
/// `rings` among the parts: rings of io_uring(7) that are there can be used.
///
/// DIRECTORY is the one that may be listed; the file `file` in it is opened before.
@main
struct Confined {
  static func main() {
    let words = CommandLine.arguments
    guard words.count > 2 else { exit(1) }
    let directory = words[1]
    let parts = Set(words.dropFirst(2).compactMap(Confinement.Part.init(rawValue:)))
    signal(SIGUSR1, SIG_IGN)

    let tries = Tries(directory)
    var confinement = Confinement()
    let list = Confinement.openPath(directory)
    confinement.readableDirectories = [.files("/proc"), .lists(list)]
    confinement.inheritedDescriptors = [tries.inherited]
    confinement.listeningSocket = tries.listener.descriptor
    confinement.allowsRings = words.contains("rings")
    let report = confinement.apply(parts)
    say("missing \(report.missing.joined(separator: ", "))")
    for (name, attempt) in tries.all {
      errno = 0
      let succeeded = attempt() >= 0
      say("\(name) \(succeeded ? "ok" : "\(errno)")")
    }
  }
}

/// Nothing is kept back that would be lost if a try ended the process.
private func say(_ line: String) {
  let bytes = Array("\(line)\n".utf8)
  _ = write(STDOUT_FILENO, bytes, bytes.count)
}

/// What is tried. A result below 0 is a failure, with its errno.
private struct Tries {
  typealias Attempt = () -> Int

  let directory: String
  let file: CInt
  let inherited: CInt
  private let socket: CInt
  /// At the first one connections may be accepted.
  let listener = Listener()
  private let otherListener = Listener()
  private let parent = Int(getppid())

  init(_ directory: String) {
    self.directory = directory
    file = open(directory + "/file", O_RDWR | O_CLOEXEC)
    inherited = dup(file)
    var ends: [CInt] = [-1, -1]
    socketpair(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0, &ends)
    socket = ends[0]
  }

  var all: [(String, Attempt)] { files + processes + system + needed }

  private static func call(
    _ number: Int32, _ first: Int = 0, _ second: Int = 0, _ third: Int = 0, _ fourth: Int = 0
  ) -> Int {
    cfuse_system_call(Int(number), first, second, third, fourth, 0)
  }

  /// PTRACE_SEIZE, which does not stop the process; CLONE_NEWNS.
  private static let seize = 0x4206
  private static let newMounts = 0x2_0000

  private var files: [(String, Attempt)] {
    [
      ("open-file", { Int(open("/etc/passwd", O_RDONLY)) }),
      ("open-program", { Int(open("/bin/sh", O_RDONLY)) }),
      ("create-file", { Int(open(directory + "/new", O_WRONLY | O_CREAT, 0o600)) }),
      ("read-file-there", { Int(open(directory + "/file", O_RDONLY)) }),
      ("list-elsewhere", { Int(open("/etc", O_RDONLY | O_DIRECTORY)) }),
      ("write-proc", { Int(open("/proc/self/oom_score_adj", O_WRONLY)) }),
      ("reopen", { Int(open("/proc/self/fd/\(file)", O_RDWR)) }),
      ("unlink", { Int(unlink(directory + "/other")) }),
      ("rename", { Int(rename(directory + "/one", directory + "/two")) }),
      ("chmod", { Int(chmod(directory + "/file", 0o600)) }),
      ("use-inherited", { Int(lseek(inherited, 0, SEEK_SET)) }),
    ]
  }

  private var processes: [(String, Attempt)] {
    [
      ("signal-parent", { Int(kill(pid_t(parent), 0)) }),
      ("signal-thread-of-parent", { Self.call(SYS_tgkill, parent, parent, 0) }),
      ("trace-parent", { Self.call(SYS_ptrace, Self.seize, parent) }),
      ("read-parent", { Int(open("/proc/\(parent)/mem", O_RDONLY)) }),
      ("environment-of-parent", { Int(open("/proc/\(parent)/environ", O_RDONLY)) }),
      (
        "fork",
        {
          let child = cfuse_fork()
          if child == 0 { _exit(0) }
          return Int(child)
        }
      ),
      (
        "execute",
        {
          // No program: where it is allowed, this is another error.
          let none: [UnsafeMutablePointer<CChar>?] = [nil]
          return Int(execve("/dev/null", none, none))
        }
      ),
      ("set-user", { Self.call(SYS_setresuid, 0, 0, 0) }),
      ("new-namespaces", { Self.call(SYS_unshare, Self.newMounts) }),
    ]
  }

  private var system: [(String, Attempt)] {
    [
      ("internet-socket", { Int(Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)) }),
      ("connect", { connect(AF_INET) }),
      ("local-socket", { Int(Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)) }),
      ("listen", { Int(listen(otherListener.descriptor, 1)) }),
      ("accept-elsewhere", { otherListener.accept() }),
      ("connect-again", { otherListener.connectAgain() }),
      (
        "socket-option",
        {
          var kind: CInt = 0
          var size = socklen_t(4)
          return Int(getsockopt(socket, SOL_SOCKET, SO_TYPE, &kind, &size))
        }
      ),
      ("unmount", { Int(umount2("/nowhere", 0)) }),
      ("clock", { Self.call(SYS_clock_settime, 0) }),
      ("host-name", { Int(sethostname("", 0)) }),
      ("modules", { Self.call(SYS_delete_module) }),
      ("bpf", { Self.call(SYS_bpf, -1) }),
      ("keys", { Self.call(SYS_keyctl, -1) }),
      ("handles", { Self.call(SYS_open_by_handle_at, -1) }),
      ("io-uring", { Self.call(SYS_io_uring_setup, 1) }),
      ("io-uring-enter", { Self.call(SYS_io_uring_enter, -1) }),
      // IORING_REGISTER_ENABLE_RINGS, IORING_REGISTER_FILES.
      ("io-uring-enable", { Self.call(SYS_io_uring_register, -1, 12) }),
      ("io-uring-register", { Self.call(SYS_io_uring_register, -1, 2) }),
      ("processor", { Self.call(SYS_sched_setaffinity, 0, 0, 0) }),
      ("processor-of-parent", { Self.call(SYS_sched_setaffinity, parent, 0, 0) }),
      ("terminal-input", { Int(ioctl(file, UInt(TIOCSTI), 0)) }),
      (
        "executable-memory",
        {
          let page = mmap(
            nil, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
          return page == MAP_FAILED ? -1 : 0
        }
      ),
    ]
  }

  /// To a port of this machine on which no program listens.
  private func connect(_ family: Int32) -> Int {
    let socket = Glibc.socket(family, CInt(SOCK_STREAM.rawValue), 0)
    guard socket >= 0 else { return -1 }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(family)
    address.sin_port = 9
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Int(Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)))
      }
    }
  }

  /// What the daemon does all the time.
  private var needed: [(String, Attempt)] {
    [
      ("needed-write", { pwrite(file, "x", 1, 100_000) }),
      ("needed-flush", { Int(fdatasync(file)) }),
      ("needed-punch", { Self.call(SYS_fallocate, Int(file), 3, 0, 4096) }),
      ("needed-list", { Int(open(directory, O_RDONLY | O_DIRECTORY)) }),
      ("needed-status-of-caller", { Int(open("/proc/\(parent)/status", O_RDONLY)) }),
      ("needed-log", { send(socket, "x", 1, 0) }),
      ("needed-accept", { listener.accept() }),
      ("needed-user-of-peer", { listener.userOfPeer() }),
      ("needed-sleep", { Int(usleep(1)) }),
      (
        "needed-memory",
        {
          guard let block = malloc(64 << 20) else { return -1 }
          memset(block, 1, 64 << 20)
          free(block)
          return 0
        }
      ),
      (
        "needed-thread",
        {
          var thread = pthread_t()
          let code = pthread_create(
            &thread, nil,
            { _ in
              usleep(50_000)
              return nil
            }, nil)
          guard code == 0 else { return -1 }
          let signalled = pthread_kill(thread, SIGUSR1)
          pthread_join(thread, nil)
          return signalled == 0 ? 0 : -1
        }
      ),
    ]
  }
}
