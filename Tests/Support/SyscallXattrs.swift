import CLinux
import Glibc
import SystemPackage

/// Extended attributes; symbolic links are not followed.
extension Syscall {
  /// `flags` may be XATTR_CREATE (1) or XATTR_REPLACE (2).
  public static func setXattr(
    _ path: FilePath, _ name: String, _ value: [UInt8], flags: CInt = 0
  ) throws(Errno) {
    try onPath(path) { path in
      value.withUnsafeBytes { Raw(lsetxattr(path, name, $0.baseAddress, $0.count, flags)) }
    }
  }

  public static func xattr(_ path: FilePath, _ name: String) throws(Errno) -> [UInt8] {
    var value = [UInt8](repeating: 0, count: 65536)
    let count = try onPath(path) { path in
      Raw(value.withUnsafeMutableBytes { lgetxattr(path, name, $0.baseAddress, $0.count) })
    }
    return Array(value[..<count])
  }

  /// The size of a value, as a call without a buffer says it.
  public static func xattrSize(_ path: FilePath, _ name: String) throws(Errno) -> Int {
    try onPath(path) { Raw(lgetxattr($0, name, nil, 0)) }
  }

  public static func removeXattr(_ path: FilePath, _ name: String) throws(Errno) {
    try onPath(path) { Raw(lremovexattr($0, name)) }
  }

  /// The names, sorted: their order means nothing.
  public static func xattrNames(_ path: FilePath) throws(Errno) -> [String] {
    var names = [CChar](repeating: 0, count: 65536)
    let count = try onPath(path) { path in
      Raw(names.withUnsafeMutableBufferPointer { llistxattr(path, $0.baseAddress, $0.count) })
    }
    return names[..<count].split(separator: 0)
      .map { String(decoding: $0.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
      .sorted()
  }
}
