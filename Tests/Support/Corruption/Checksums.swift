import CExt2FS

/// The checksums of ext4 and of its journal.
enum Checksums {
  static func crc32c(_ bytes: UnsafeRawBufferPointer, from start: UInt32) -> UInt32 {
    guard let address = bytes.baseAddress else { return start }
    return cext2fs_crc32c(start, address.assumingMemoryBound(to: UInt8.self), bytes.count)
  }

  static func crc32c<T: FixedWidthInteger>(_ number: T, from start: UInt32) -> UInt32 {
    withUnsafeBytes(of: number) { crc32c($0, from: start) }
  }

  /// As if the `count` bytes at `zero`, counted from the beginning of `bytes`, were zero.
  static func crc32c(
    _ bytes: UnsafeRawBufferPointer, from start: UInt32, zero: Int, count: Int
  ) -> UInt32 {
    guard zero + count <= bytes.count else { return start }
    var value = crc32c(UnsafeRawBufferPointer(rebasing: bytes[..<zero]), from: start)
    for _ in 0..<count { value = crc32c(UInt8(0), from: value) }
    return crc32c(UnsafeRawBufferPointer(rebasing: bytes[(zero + count)...]), from: value)
  }

  /// CRC-16 with the polynomial 0x8005, bits reflected (lib/crc16.c of the kernel).
  static func crc16(_ bytes: UnsafeRawBufferPointer, from start: UInt16) -> UInt16 {
    bytes.reduce(start) { value, byte in
      (0..<8).reduce(value ^ UInt16(byte)) { value, _ in
        value & 1 == 0 ? value >> 1 : 0xA001 ^ (value >> 1)
      }
    }
  }

  /// CRC-32 of GUID partition tables.
  static func crc32(_ bytes: UnsafeRawBufferPointer, zero: Range<Int> = 0..<0) -> UInt32 {
    var value: UInt32 = ~0
    for (index, byte) in bytes.enumerated() {
      value ^= UInt32(zero.contains(index) ? 0 : byte)
      for _ in 0..<8 { value = value & 1 == 0 ? value >> 1 : 0xEDB8_8320 ^ (value >> 1) }
    }
    return ~value
  }
}
