/// The bytes that a dump shows: pairs of hexadecimal digits, with anything between them that is not one.
func hex(_ dump: String) -> [UInt8] {
  let digits = dump.compactMap(\.hexDigitValue)
  return stride(from: 0, to: digits.count - 1, by: 2).map {
    UInt8(digits[$0] << 4 | digits[$0 + 1])
  }
}

/// `size` bytes as `encode` leaves them; it finds them full of 0xEE, so that none may be forgotten.
func encoded(_ size: Int, _ encode: (UnsafeMutableRawBufferPointer) -> Void) -> [UInt8] {
  var bytes = [UInt8](repeating: 0xEE, count: size)
  bytes.withUnsafeMutableBytes { encode($0) }
  return bytes
}

/// Bytes of a structure of which most are zero: values by their places, in the order of the host.
struct Layout {
  private(set) var bytes: [UInt8]

  init(_ size: Int) { bytes = [UInt8](repeating: 0, count: size) }

  func with(_ value: some FixedWidthInteger & BitwiseCopyable, at offset: Int) -> Layout {
    var layout = self
    layout.bytes.withUnsafeMutableBytes {
      $0.storeBytes(of: value, toByteOffset: offset, as: type(of: value))
    }
    return layout
  }

  func with(_ other: [UInt8], at offset: Int) -> Layout {
    var layout = self
    layout.bytes.replaceSubrange(offset..<(offset + other.count), with: other)
    return layout
  }
}
