import CExt2FS

/// The checksum of journals since v2: CRC-32 with the Castagnoli polynomial, bits reflected, not inverted at the end
/// (`jbd2_chksum`).
enum CRC32C {
  static func checksum(of bytes: UnsafeRawBufferPointer, from start: UInt32) -> UInt32 {
    cext2fs_crc32c(start, bytes.assumingMemoryBound(to: UInt8.self).baseAddress, bytes.count)
  }

  /// As if the four bytes at `offset`, where the checksum itself is kept, were zero.
  static func checksum(
    of bytes: UnsafeRawBufferPointer, from start: UInt32, zeroAt offset: Int
  ) -> UInt32 {
    let before = checksum(of: UnsafeRawBufferPointer(rebasing: bytes[..<offset]), from: start)
    let zero = withUnsafeBytes(of: UInt32(0)) { checksum(of: $0, from: before) }
    return checksum(of: UnsafeRawBufferPointer(rebasing: bytes[(offset + 4)...]), from: zero)
  }
}
