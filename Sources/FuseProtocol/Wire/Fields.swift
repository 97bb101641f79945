// Fields at fixed places of a structure that need not be aligned in memory, in the byte order of the host, as both sides of the
// protocol have them.

extension UnsafeRawBufferPointer {
  /// The field at `offset`, which must lie within the buffer.
  @inlinable @inline(__always)
  func field<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
    loadUnaligned(fromByteOffset: offset, as: type)
  }

  /// The field at `offset`, or zero where the buffer ends before it: in the shorter structures of older minors.
  @inlinable @inline(__always)
  func fieldOrZero<T: FixedWidthInteger & BitwiseCopyable>(
    _ offset: Int, as type: T.Type = T.self
  ) -> T {
    offset + MemoryLayout<T>.size <= count ? field(offset) : 0
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Writes the field at `offset`, for which there must be room.
  @inlinable @inline(__always)
  func put<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
    storeBytes(of: value, toByteOffset: offset, as: T.self)
  }

  /// Zeroes the first `size` bytes, and sees to it that they exist.
  @inlinable @inline(__always)
  func clear(_ size: Int) {
    precondition(count >= size, "the caller gave no room for the structure")
    UnsafeMutableRawBufferPointer(rebasing: self[..<size]).initializeMemory(
      as: UInt8.self, repeating: 0)
  }

  /// The part from `offset` on, which must exist.
  @inlinable @inline(__always)
  func from(_ offset: Int) -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(rebasing: self[offset...])
  }
}
