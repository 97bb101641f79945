/// What files are filled with: each eight bytes name the file, the operation that wrote them and their place, so that bytes that
/// turn up where they do not belong tell where they come from.
public enum FilePattern {
  /// What the free space of a fresh image holds: bytes that no file was ever given.
  public static let stale: [UInt8] = Array("STALE!!\n".utf8)

  public static func bytes(file: Int, operation: Int, at offset: Int, count: Int) -> [UInt8] {
    let start = offset / 8 * 8
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 16)
    for place in stride(from: start, to: offset + count, by: 8) {
      let word =
        UInt64(truncatingIfNeeded: file & 0x7fff | 0x8000) << 48
        | UInt64(truncatingIfNeeded: operation & 0xffff) << 32
        | UInt64(truncatingIfNeeded: place / 8 & 0xffff_ffff)
      withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
    }
    return Array(bytes[offset - start..<offset - start + count])
  }

  /// What the word around `position` of `bytes` says, for people.
  static func describe(_ bytes: [UInt8], at position: Int) -> String {
    let start = position / 8 * 8
    let part = Array(bytes[start..<min(start + 8, bytes.count)])
    if part.allSatisfy({ $0 == 0 }) { return "zeros" }
    if part == stale { return "stale bytes of the fresh disk" }
    guard part.count == 8, part[7] & 0x80 != 0 else { return "the bytes \(part)" }
    let word = part.enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * $1.offset) }
    return "what operation \(word >> 32 & 0xffff) wrote to file \(word >> 48 & 0x7fff) at "
      + "\((word & 0xffff_ffff) * 8)"
  }
}
