import SystemPackage

/// A POSIX ACL (acl(5)).
struct AccessControlList: Equatable {
  enum Tag: UInt16 {
    case owner = 0x01
    case user = 0x02
    case owningGroup = 0x04
    case group = 0x08
    case mask = 0x10
    case other = 0x20

    /// Whether entries of this kind name a user or group.
    var hasID: Bool { self == .user || self == .group }
  }

  struct Entry: Equatable {
    let tag: Tag
    /// rwx, the lower three bits.
    var permissions: UInt16
    /// `undefinedID` unless the tag has one.
    let id: UInt32
  }

  /// ACL_UNDEFINED_ID
  private static let undefinedID = UInt32.max

  var entries: [Entry]

  init(entries: [Entry]) { self.entries = entries }

  // MARK: - The disk's form

  // A header of 4 bytes with version 1, then entries of 8 bytes, or of 4 where the tag has no ID
  // (fs/ext4/acl.h).
  private static let diskVersion: UInt32 = 1

  /// Nil when the bytes are no ACL, or one without entries.
  init?(onDisk bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= 4, bytes.loadUnaligned(as: UInt32.self) == Self.diskVersion else {
      return nil
    }
    entries = []
    var offset = 4
    while offset < bytes.count {
      guard bytes.count - offset >= 4,
        let tag = Tag(rawValue: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
      else { return nil }
      let permissions = bytes.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self)
      offset += 4
      var id = Self.undefinedID
      if tag.hasID {
        guard bytes.count - offset >= 4 else { return nil }
        id = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        offset += 4
      }
      entries.append(Entry(tag: tag, permissions: permissions, id: id))
    }
    if entries.isEmpty { return nil }
  }

  var diskForm: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 + 8 * entries.count)
    bytes.append(word: Self.diskVersion)
    for entry in entries {
      bytes.append(word: UInt32(entry.permissions) << 16 | UInt32(entry.tag.rawValue))
      if entry.tag.hasID { bytes.append(word: entry.id) }
    }
    return bytes
  }

  // MARK: - The form of getxattr(2)

  // A header of 4 bytes with version 2, then entries of 8 bytes (linux/posix_acl_xattr.h).
  private static let attributeVersion: UInt32 = 2

  /// Nil for an ACL without entries, which is how one is removed. EOPNOTSUPP for another version, EINVAL
  /// for what is no ACL at all. It need not be valid.
  init?(attribute bytes: UnsafeRawBufferPointer) throws(Ext4Error) {
    guard bytes.count >= 4 else { throw .errno(.invalidArgument) }
    guard bytes.loadUnaligned(as: UInt32.self) == Self.attributeVersion else {
      throw .errno(.notSupported)
    }
    guard bytes.count % 8 == 4 else { throw .errno(.invalidArgument) }
    entries = []
    for offset in stride(from: 4, to: bytes.count, by: 8) {
      guard let tag = Tag(rawValue: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
      else { throw .errno(.invalidArgument) }
      let id = bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
      entries.append(
        Entry(
          tag: tag,
          permissions: bytes.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self),
          id: tag.hasID ? id : Self.undefinedID))
    }
    if entries.isEmpty { return nil }
  }

  var attributeForm: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(4 + 8 * entries.count)
    bytes.append(word: Self.attributeVersion)
    for entry in entries {
      bytes.append(word: UInt32(entry.permissions) << 16 | UInt32(entry.tag.rawValue))
      bytes.append(word: entry.id)
    }
    return bytes
  }

  // MARK: - Rules (fs/posix_acl.c)

  /// The entries stand in the order owner, users, owning group, groups, mask, other; users and groups need
  /// a mask, all but those and the mask must be there, once (posix_acl_valid).
  var isValid: Bool {
    var required = Tag.owner
    var needsMask = false
    for (index, entry) in entries.enumerated() {
      guard entry.permissions <= 7 else { return false }
      if entry.tag.hasID { guard entry.id != Self.undefinedID else { return false } }
      switch (entry.tag, required) {
      case (.owner, .owner): required = .owningGroup
      case (.user, .owningGroup): needsMask = true
      case (.owningGroup, .owningGroup): required = .mask
      case (.group, .mask): needsMask = true
      case (.mask, .mask): required = .other
      case (.other, .other): return index == entries.count - 1
      case (.other, .mask): return !needsMask && index == entries.count - 1
      default: return false
      }
    }
    return false
  }

  /// The nine permission bits of the mode that belongs to the ACL; `isMinimal` when the ACL says nothing
  /// beyond them (posix_acl_equiv_mode).
  var equivalentMode: (bits: UInt16, isMinimal: Bool) {
    var bits: UInt16 = 0
    var isMinimal = true
    for entry in entries {
      let permissions = entry.permissions & 7
      switch entry.tag {
      case .owner: bits |= permissions << 6
      case .owningGroup: bits |= permissions << 3
      case .other: bits |= permissions
      case .mask:
        bits = bits & ~0o070 | permissions << 3
        isMinimal = false
      case .user, .group: isMinimal = false
      }
    }
    return (bits, isMinimal)
  }

  /// Turns a directory's default ACL into the access ACL of a file created with `mode`: nothing is granted
  /// that the mode does not, and the other way round. Returns the new permission bits, or nil when the ACL
  /// lacks an entry that it must have (posix_acl_create_masq).
  mutating func restrict(toMode mode: UInt16) -> UInt16? {
    guard let (owner, group, other) = classEntries else { return nil }
    entries[owner].permissions &= mode >> 6 & 7
    entries[group].permissions &= mode >> 3 & 7
    entries[other].permissions &= mode & 7
    return entries[owner].permissions << 6 | entries[group].permissions << 3
      | entries[other].permissions
  }

  /// Gives the three classes of the mode the permissions that it says. False when the ACL lacks an entry
  /// that it must have (posix_acl_chmod_masq).
  mutating func apply(mode: UInt16) -> Bool {
    guard let (owner, group, other) = classEntries else { return false }
    entries[owner].permissions = mode >> 6 & 7
    entries[group].permissions = mode >> 3 & 7
    entries[other].permissions = mode & 7
    return true
  }

  /// Where the entries are that the mode's three classes stand for; the mask stands before the owning group.
  private var classEntries: (owner: Int, group: Int, other: Int)? {
    guard let owner = index(of: .owner), let other = index(of: .other),
      let group = index(of: .mask) ?? index(of: .owningGroup)
    else { return nil }
    return (owner, group, other)
  }

  private func index(of tag: Tag) -> Int? { entries.firstIndex { $0.tag == tag } }
}

extension [UInt8] {
  fileprivate mutating func append(word: UInt32) {
    Swift.withUnsafeBytes(of: word.littleEndian) { append(contentsOf: $0) }
  }
}
