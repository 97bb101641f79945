import SystemPackage

/// The numbers in a list of processors as the kernel writes it: "0-3,8" (Documentation/admin-guide/cputopology.rst).
struct ProcessorList: RandomAccessCollection {
  private let numbers: [Int]

  /// Nil when it is no such list.
  init?(_ text: some StringProtocol) {
    var numbers: [Int] = []
    for part in text.split(separator: ",") {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
        first >= 0, last >= first, last < Self.limit
      else { return nil }
      numbers.append(contentsOf: first...last)
    }
    guard !numbers.isEmpty else { return nil }
    self.numbers = numbers
  }

  /// Nil when the file cannot be read, or holds no such list.
  init?(contentsOf path: String) {
    guard let file = try? FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec),
      let text = try? file.closeAfter({
        try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { bytes in
          let count = try file.read(into: bytes)
          return String(decoding: bytes[..<count], as: UTF8.self)
        }
      })
    else { return nil }
    self.init(text.prefix { !$0.isWhitespace })
  }

  /// More processors than any system has.
  private static let limit = 1 << 16

  var startIndex: Int { 0 }
  var endIndex: Int { numbers.count }
  subscript(index: Int) -> Int { numbers[index] }
}
