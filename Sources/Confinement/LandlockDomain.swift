import CFuse3
import Glibc
import SystemPackage

/// Other files, processes and networks as far as Landlock keeps a process from them (landlock(7)). What is open already stays usable.
struct LandlockDomain {
  /// LANDLOCK_ACCESS_FS_READ_FILE, LANDLOCK_ACCESS_FS_READ_DIR (include/uapi/linux/landlock.h).
  private static let readFile: UInt64 = 1 << 2
  private static let readDirectory: UInt64 = 1 << 3

  private let directories: [Confinement.ReadableDirectory]
  /// The version of the interface that this kernel has; 0 for none.
  private let version: Int

  init(_ directories: [Confinement.ReadableDirectory]) {
    self.directories = directories
    version = max(0, Self.call(Self.createRuleset, 0, 0, Self.asksForVersion))
  }

  var name: String { version > 0 ? "Landlock ABI \(version)" : "Landlock" }

  /// struct landlock_ruleset_attr: what is forbidden unless a rule allows it.
  private struct Attributes {
    var files: UInt64 = 0
    var networks: UInt64 = 0
    var scopes: UInt64 = 0
  }

  private var attributes: Attributes {
    var attributes = Attributes()
    // Each version knows the bits of those before, and some more.
    let bits =
      switch version {
      case 1: 13
      case 2: 14
      case 3, 4: 15
      default: 16
      }
    attributes.files = 1 << bits - 1
    // LANDLOCK_ACCESS_NET_BIND_TCP, LANDLOCK_ACCESS_NET_CONNECT_TCP.
    if version >= 4 { attributes.networks = 0b11 }
    // LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, LANDLOCK_SCOPE_SIGNAL.
    if version >= 6 { attributes.scopes = 0b11 }
    return attributes
  }

  /// Bytes of `Attributes` that the version has.
  private var attributesSize: Int { version >= 6 ? 24 : version >= 4 ? 16 : 8 }

  /// From here on the calling thread, and those that it starts, are in it.
  func enter() -> Errno? {
    guard version > 0 else { return .noFunction }
    var attributes = attributes
    let ruleset = withUnsafePointer(to: &attributes) {
      Self.call(Self.createRuleset, Int(bitPattern: $0), attributesSize, 0)
    }
    guard ruleset >= 0 else { return Errno(rawValue: errno) }
    defer { close(CInt(ruleset)) }
    for directory in directories {
      if let error = Self.allow(directory, in: ruleset) { return error }
    }
    return Self.call(Self.restrictSelf, ruleset, 0, 0) == 0 ? nil : Errno(rawValue: errno)
  }

  /// A directory that is not there has nothing to be read.
  private static func allow(_ directory: Confinement.ReadableDirectory, in ruleset: Int) -> Errno? {
    let descriptor: CInt
    switch directory.place {
    case .path(let path): descriptor = cfuse_open_path(path)
    case .descriptor(let open): descriptor = dup(open)
    }
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    // struct landlock_path_beneath_attr, which is packed: the access, and the directory.
    var rule = [UInt8](repeating: 0, count: 12)
    let access = directory.listsOnly ? readDirectory : readFile
    return rule.withUnsafeMutableBytes { bytes in
      bytes.storeBytes(of: access, toByteOffset: 0, as: UInt64.self)
      bytes.storeBytes(of: descriptor, toByteOffset: 8, as: CInt.self)
      // LANDLOCK_RULE_PATH_BENEATH.
      let code = call(addRule, ruleset, 1, Int(bitPattern: bytes.baseAddress))
      return code == 0 ? nil : Errno(rawValue: errno)
    }
  }

  /// The numbers are the same on all architectures.
  private static let createRuleset = 444
  private static let addRule = 445
  private static let restrictSelf = 446
  /// LANDLOCK_CREATE_RULESET_VERSION.
  private static let asksForVersion = 1

  private static func call(_ number: Int, _ first: Int, _ second: Int, _ third: Int) -> Int {
    cfuse_system_call(number, first, second, third, 0, 0)
  }
}
