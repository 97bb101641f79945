import Glibc
import SystemPackage

/// The small text files in which the kernel and /etc say things.
enum SystemFile {
  /// Nil if the file cannot be read. Files in /proc have no size, and are read to their end.
  static func contents(_ path: String) -> String? {
    guard let file = try? FileDescriptor.open(path, .readOnly, options: .closeOnExec) else {
      return nil
    }
    return try? file.closeAfter {
      var text: [UInt8] = []
      let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 1)
      defer { chunk.deallocate() }
      while case let count = try file.read(into: chunk), count > 0 {
        text.append(contentsOf: chunk[..<count])
      }
      return String(decoding: text, as: UTF8.self)
    }
  }

  /// The first line, which is all that a file in /sys has.
  static func line(_ path: String) -> String? {
    contents(path)?.split(separator: "\n").first.map(String.init)
  }

  /// The paths that match a shell pattern.
  static func matching(_ pattern: String) -> [String] {
    var result = glob_t()
    defer { globfree(&result) }
    guard glob(pattern, 0, nil, &result) == 0 else { return [] }
    return (0..<Int(result.gl_pathc)).compactMap { index in
      result.gl_pathv[index].map { String(cString: $0) }
    }
  }

  /// The path from the root without links; nil, with `Errno.last`, if something is in the way.
  static func absolute(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// Where a symbolic link leads; nil, with `Errno.last`, if it is none.
  static func target(of link: String) -> String? {
    withUnsafeTemporaryAllocation(byteCount: Int(PATH_MAX), alignment: 1) { bytes in
      let count = readlink(
        link, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
      return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
    }
  }
}
