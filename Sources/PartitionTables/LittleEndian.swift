/// Integers of on-disk structures, read from bytes without alignment.
extension RandomAccessCollection where Element == UInt8, Index == Int {
  /// The integer that begins `offset` bytes into the collection; nil if it does not fit in there.
  func littleEndian<Integer: FixedWidthInteger>(
    _ type: Integer.Type = Integer.self, at offset: Int
  ) -> Integer? {
    let size = Integer.bitWidth / 8
    guard offset >= 0, offset <= count - size else { return nil }
    return (0..<size).reduce(Integer.zero) { value, index in
      value | Integer(truncatingIfNeeded: self[startIndex + offset + index]) << (8 * index)
    }
  }
}
