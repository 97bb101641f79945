/// Paths of a `FileSet`, written into one buffer: making a path costs nanoseconds, not an allocation.
struct FilePaths: ~Copyable {
  private let bytes: UnsafeMutablePointer<CChar>
  private let rootCount: Int
  private let perDirectory: Int

  /// The digits in names: `/d00012/f0000345`.
  private static let directoryDigits = 7
  private static let fileDigits = 7

  init(_ set: FileSet, prefix: Character = "f") {
    let root = Array(set.root.utf8CString.dropLast())
    rootCount = root.count
    perDirectory = set.perDirectory
    bytes = .allocate(capacity: rootCount + Self.directoryDigits + Self.fileDigits + 5)
    for (index, byte) in root.enumerated() { bytes[index] = byte }
    bytes[rootCount] = CChar(UInt8(ascii: "/"))
    bytes[rootCount + 1] = CChar(UInt8(ascii: "d"))
    let file = rootCount + 2 + Self.directoryDigits
    bytes[file] = CChar(UInt8(ascii: "/"))
    bytes[file + 1] = CChar(prefix.asciiValue ?? UInt8(ascii: "f"))
  }

  deinit { bytes.deallocate() }

  /// Valid until the next path is asked for.
  func directory(_ number: Int) -> UnsafePointer<CChar> {
    write(number, digits: Self.directoryDigits, at: rootCount + 2)
    bytes[rootCount + 2 + Self.directoryDigits] = 0
    return UnsafePointer(bytes)
  }

  /// Valid until the next path is asked for.
  func file(_ number: Int) -> UnsafePointer<CChar> {
    _ = directory(number / perDirectory)
    let slash = rootCount + 2 + Self.directoryDigits
    bytes[slash] = CChar(UInt8(ascii: "/"))
    write(number, digits: Self.fileDigits, at: slash + 2)
    bytes[slash + 2 + Self.fileDigits] = 0
    return UnsafePointer(bytes)
  }

  private func write(_ number: Int, digits: Int, at start: Int) {
    var rest = number
    for place in stride(from: start + digits - 1, through: start, by: -1) {
      bytes[place] = CChar(UInt8(ascii: "0") + UInt8(rest % 10))
      rest /= 10
    }
  }
}
