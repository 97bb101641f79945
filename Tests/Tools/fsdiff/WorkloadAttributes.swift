import SystemPackage
import TestSupport

/// Extended attributes, access control lists and inode flags.
extension Workload {
  mutating func attribute(_ chosen: OperationClass) -> Operation {
    let path = existing()
    switch chosen {
    case .setXattr:
      return .setXattr(path, xattrName(), xattrValue(), flags: random.pick([0, 0, 0, 1, 2]))
    case .getXattr: return .getXattr(path, xattrName())
    case .removeXattr: return .removeXattr(path, xattrName())
    case .acl:
      let name = "system.posix_acl_\(random.oneIn(2) ? "access" : "default")"
      switch random.number(0..<6) {
      case 0: return .removeXattr(path, name)
      case 1: return .getXattr(path, name)
      default: return .setXattr(existing(.directory), name, acl(), flags: 0)
      }
    case .flags:
      // FS_NODUMP_FL, FS_NOATIME_FL, FS_SECRM_FL, FS_UNRM_FL, FS_TOPDIR_FL
      let flags: [UInt32] = [0x40, 0x80, 0x1, 0x2, 0x20000]
      return .setFlags(path, set: random.pick(flags), clear: random.pick(flags))
    case .immutable:
      // FS_IMMUTABLE_FL, FS_APPEND_FL. Cleared more often than set, or the tree freezes. Directories
      // only: for files, they matter when opening, of which a FUSE server may not hear.
      let flag: UInt32 = random.oneIn(2) ? 0x10 : 0x20
      let directory = existing(.directory)
      return random.oneIn(3) && namespace.kind(of: directory) == .directory
        ? .setFlags(directory, set: flag, clear: 0) : .setFlags(directory, set: 0, clear: 0x30)
    default: return .listXattrs(path)
    }
  }

  private mutating func xattrName() -> String {
    switch random.number(0..<24) {
    case 0: return "user."
    case 1: return "system.bogus"
    case 2: return "nonsense"
    case 3: return xattrLimit < 100 ? "user.z" : "user." + String(repeating: "l", count: 250)
    case 4...6: return "trusted.\(random.pick(["t", "overlay.opaque"]))"
    case 7, 8: return "security.label"
    default: return "user.\(random.pick(["a", "b", "c", "mime_type", "d"]))"
    }
  }

  private mutating func xattrValue() -> [UInt8] {
    let count: Int
    switch random.number(0..<16) {
    case 0: count = 0
    case 1: count = random.pick([5000, 65_536, 65_537])
    case 2...4: count = random.number(0..<xattrLimit)
    default: count = random.number(0..<40)
    }
    return SeededGenerator.bytes(count, seed: random.next())
  }

  /// A list as <linux/posix_acl_xattr.h> lays it out: version 2, then tag, permissions and id of each
  /// entry. One of ten lacks its mask, which is EINVAL when users are named.
  private mutating func acl() -> [UInt8] {
    var entries: [(tag: UInt16, id: UInt32)] = [(0x01, .max)]
    let users = Self.users.filter { _ in random.oneIn(2) }
    entries += users.map { (0x02, $0) }
    entries.append((0x04, .max))
    let groups = Self.users.filter { _ in random.oneIn(3) }
    entries += groups.map { (0x08, $0) }
    if !random.oneIn(10) { entries.append((0x10, .max)) }
    entries.append((0x20, .max))
    var bytes: [UInt8] = [2, 0, 0, 0]
    for entry in entries {
      bytes += [UInt8(entry.tag), 0, UInt8(random.number(0..<8)), 0]
      bytes += (0..<4).map { UInt8(truncatingIfNeeded: entry.id >> ($0 * 8)) }
    }
    return bytes
  }
}
