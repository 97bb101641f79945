/// The 16 bytes by which a file system or a journal is known.
public struct FileSystemUUID: Sendable, Hashable {
  private let high: UInt64
  private let low: UInt64

  /// All zero, which is no file system's.
  public static let zero = FileSystemUUID(high: 0, low: 0)

  private init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// The 16 bytes from `offset` on.
  public init(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
    self.init(
      high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)),
      low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self)))
  }

  public func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
    withUnsafeBytes(of: (high.bigEndian, low.bigEndian), body)
  }
}

extension FileSystemUUID: CustomStringConvertible {
  /// As it appears in /dev/disk/by-uuid.
  public var description: String {
    let digits = withBytes { bytes in
      bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
    }
    return [digits[0..<4], digits[4..<6], digits[6..<8], digits[8..<10], digits[10..<16]]
      .map { $0.joined() }.joined(separator: "-")
  }
}
