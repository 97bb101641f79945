import Glibc
import SystemPackage

/// What an attribute's name begins with; the number is the entry's `e_name_index`.
enum AttributeNamespace: UInt8 {
  case user = 1
  case accessACL = 2
  case defaultACL = 3
  case trusted = 4
  case security = 6
  case system = 7
  case hurd = 10

  /// The namespaces that callers may name. `system` is not among them: all that ext4 keeps there is the
  /// tail of inline data, which is no attribute to the outside.
  static let visible: [AttributeNamespace] = [
    .user, .accessACL, .defaultACL, .trusted, .security, .hurd,
  ]

  /// The on-disk name is what follows the prefix: nothing at all for ACLs.
  var prefix: StaticString {
    switch self {
    case .user: "user."
    case .accessACL: "system.posix_acl_access"
    case .defaultACL: "system.posix_acl_default"
    case .trusted: "trusted."
    case .security: "security."
    case .system: "system."
    case .hurd: "gnu."
    }
  }

  var isACL: Bool { self == .accessACL || self == .defaultACL }
}

/// The name of an attribute as the disk has it: a namespace, and the bytes behind the namespace's prefix.
///
/// Borrows the bytes: valid for as long as what it was made from.
struct AttributeName {
  let namespace: AttributeNamespace
  /// Up to 255 bytes.
  let suffix: UnsafeRawBufferPointer

  /// The longest suffix, which `e_name_len` still holds.
  static let maximumLength = 255

  /// Takes a full name such as "user.mime_type" apart. EOPNOTSUPP for an unknown prefix, EINVAL for a
  /// prefix alone, ERANGE for a name that is too long.
  init(_ fullName: UnsafePointer<CChar>) throws(Ext4Error) {
    let bytes = UnsafeRawBufferPointer(start: fullName, count: strlen(fullName))
    for namespace in AttributeNamespace.visible {
      let prefix = namespace.prefix
      let length = prefix.utf8CodeUnitCount
      guard bytes.count >= length, memcmp(bytes.baseAddress!, prefix.utf8Start, length) == 0 else {
        continue
      }
      let suffix = UnsafeRawBufferPointer(rebasing: bytes[length...])
      if namespace.isACL {
        guard suffix.isEmpty else { continue }
      } else {
        guard !suffix.isEmpty else { throw .errno(.invalidArgument) }
        guard suffix.count <= Self.maximumLength else { throw .errno(.outOfRange) }
      }
      self.init(namespace: namespace, suffix: suffix)
      return
    }
    throw .errno(.notSupported)
  }

  init(namespace: AttributeNamespace, suffix: UnsafeRawBufferPointer) {
    self.namespace = namespace
    self.suffix = suffix
  }

  static var accessACL: AttributeName {
    AttributeName(namespace: .accessACL, suffix: UnsafeRawBufferPointer(start: nil, count: 0))
  }

  static var defaultACL: AttributeName {
    AttributeName(namespace: .defaultACL, suffix: UnsafeRawBufferPointer(start: nil, count: 0))
  }

  /// Holds what inline data exceeds the 60 bytes of `i_block` by; always in the inode body.
  static var inlineData: AttributeName {
    let name: StaticString = "data"
    return AttributeName(
      namespace: .system,
      suffix: UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
  }
}
