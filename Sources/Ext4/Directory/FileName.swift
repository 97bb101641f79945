import Glibc
import SystemPackage

/// A name in a directory: 1 to 255 bytes without "/" and NUL.
///
/// Only borrows its bytes: it is valid for as long as the buffer that it was made from.
public struct FileName {
  /// The most bytes a name may have (EXT4_NAME_LEN).
  public static let maximumLength = 255

  public let bytes: UnsafeRawBufferPointer

  /// Throws ENOENT for an empty name, ENAMETOOLONG for more than 255 bytes, EINVAL for "/" or NUL in it.
  public init(_ bytes: UnsafeRawBufferPointer) throws(Ext4Error) {
    guard !bytes.isEmpty else { throw .errno(.noSuchFileOrDirectory) }
    guard bytes.count <= Self.maximumLength else { throw .errno(.fileNameTooLong) }
    guard Self.isClean(bytes) else { throw .errno(.invalidArgument) }
    self.bytes = bytes
  }

  private init(constant: StaticString) {
    bytes = UnsafeRawBufferPointer(
      start: constant.utf8Start, count: constant.utf8CodeUnitCount)
  }

  /// The directory itself, ".". Valid forever.
  static var current: FileName { FileName(constant: ".") }
  /// The directory's parent, "..". Valid forever.
  static var parent: FileName { FileName(constant: "..") }

  var isCurrent: Bool { bytes.count == 1 && bytes[0] == 0x2E }
  var isParent: Bool { bytes.count == 2 && bytes[0] == 0x2E && bytes[1] == 0x2E }

  @inline(__always)
  func matches(_ other: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count == other.count, let mine = bytes.baseAddress, let other = other.baseAddress
    else { return false }
    return memcmp(mine, other, bytes.count) == 0
  }

  /// True when neither "/" nor NUL occurs in `bytes`.
  static func isClean(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let start = bytes.baseAddress else { return true }
    return memchr(start, 0x2F, bytes.count) == nil && memchr(start, 0, bytes.count) == nil
  }
}
