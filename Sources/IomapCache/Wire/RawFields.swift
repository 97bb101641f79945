// Fields at fixed places of a structure that need not be aligned in memory.
extension UnsafeRawBufferPointer {
  /// The field at `offset`, which must lie within the buffer.
  @usableFromInline
  func field<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
    loadUnaligned(fromByteOffset: offset, as: type)
  }

  /// The field at `offset`, or zero behind the end of the buffer.
  func fieldOrZero<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int) -> T {
    offset + MemoryLayout<T>.size <= count ? field(offset) : 0
  }

  /// What follows the first `offset` bytes, which must be there.
  func dropping(_ offset: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: self[offset...])
  }
}

extension UnsafeMutableRawBufferPointer {
  func put<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
    storeBytes(of: value, toByteOffset: offset, as: T.self)
  }

  /// Zeroes the first `size` bytes, and sees to it that they exist.
  func clear(_ size: Int) {
    precondition(count >= size, "no room for the structure")
    UnsafeMutableRawBufferPointer(rebasing: self[..<size]).initializeMemory(
      as: UInt8.self, repeating: 0)
  }
}
