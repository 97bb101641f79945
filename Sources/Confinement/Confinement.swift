import CFuse3
import Glibc
import SystemPackage

/// What a process gives up for good, before it reads anything from strangers.
///
/// The order of `Part` matters: capabilities can be taken from the bounding set only while there are some, Landlock and seccomp want a process that cannot
/// gain privileges, and after seccomp none of the calls before would work.
public struct Confinement: Sendable {
  /// Directories under which files may still be opened for reading.
  public var readableDirectories: [ReadableDirectory] = []
  /// Descriptors that this process was started with, and does not use.
  public var inheritedDescriptors: [CInt] = []
  /// The one socket at which connections may still be accepted.
  public var listeningSocket: CInt?
  /// Rings that are there can be used (io_uring(7)).
  public var allowsRings = false

  public init() {}

  public struct ReadableDirectory: Sendable {
    enum Place: Sendable {
      /// As it is now, wherever its name leads to later.
      case path(String)
      case descriptor(CInt)
    }

    let place: Place
    let listsOnly: Bool

    /// Files in it may be read, and in the directories below.
    public static func files(_ path: String) -> Self { .init(place: .path(path), listsOnly: false) }
    /// It and the directories below may be listed.
    public static func lists(_ descriptor: CInt) -> Self {
      .init(place: .descriptor(descriptor), listsOnly: true)
    }
  }

  /// Opens a directory for no more than to say which it is (O_PATH); -1 with errno if that fails.
  public static func openPath(_ path: String) -> CInt { cfuse_open_path(path) }

  /// What is in force, and what this kernel does not have.
  public struct Report: Sendable {
    /// Each for the end of a sentence: "no capabilities".
    public internal(set) var inForce: [String] = []
    /// What is missing, with the reason.
    public internal(set) var missing: [String] = []

    mutating func note(_ part: String, _ failure: Errno?) {
      if let failure { missing.append("\(part) (\(failure))") } else { inForce.append(part) }
    }
  }

  public enum Part: String, Sendable, CaseIterable {
    case descriptors, privileges, landlock, capabilities, coreFiles, seccomp
  }

  /// Confines the calling thread and those that it will start. It must be the only one.
  ///
  /// - Parameter parts: all of them, but for tests of each alone. Landlock and seccomp want `privileges` as well.
  public func apply(_ parts: Set<Part> = Set(Part.allCases)) -> Report {
    var report = Report()
    for part in Part.allCases where parts.contains(part) {
      switch part {
      case .descriptors: closeInherited()
      case .privileges: report.note("no new privileges", Self.forbidNewPrivileges())
      case .landlock:
        let domain = LandlockDomain(readableDirectories)
        report.note(domain.name, domain.enter())
      case .capabilities: report.note("no capabilities", Capabilities.keepOnly([]))
      case .coreFiles: report.note("no core files", CoreFiles.forbid())
      case .seccomp:
        report.note(
          "seccomp", SystemCallFilter.install(listeningSocket, allowsRings: allowsRings))
      }
    }
    if let count = Self.threadCount, count != 1 { report.missing.append("\(count - 1) threads") }
    return report
  }

  private func closeInherited() {
    for descriptor in inheritedDescriptors { close(descriptor) }
  }

  /// What is executed has no more privileges than this process, whatever its set-user-ID bits and file capabilities.
  public static func forbidNewPrivileges() -> Errno? {
    cfuse_process_control(PR_SET_NO_NEW_PRIVS, 1, 0) == 0 ? nil : Errno(rawValue: errno)
  }

  /// Nil where /proc is not there.
  private static var threadCount: Int? {
    var status = stat()
    guard stat("/proc/self/task", &status) == 0 else { return nil }
    return Int(status.st_nlink) - 2
  }

  /// The open descriptors beyond standard error; empty where /proc is not there.
  public static func openDescriptors() -> [CInt] {
    guard let directory = opendir("/proc/self/fd") else { return [] }
    defer { closedir(directory) }
    var found: [CInt] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if let number = CInt(name), number > STDERR_FILENO, number != dirfd(directory) {
        found.append(number)
      }
    }
    return found
  }
}
