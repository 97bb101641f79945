/// Fields of a reply, one after another.
struct ByteWriter {
  var bytes: [UInt8] = []

  mutating func put<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func zeros(_ count: Int) { bytes.append(contentsOf: repeatElement(0, count: count)) }
}

/// Fields of a request.
struct ByteReader {
  let bytes: [UInt8]

  func get<T: FixedWidthInteger>(_ offset: Int, as type: T.Type = T.self) -> T {
    bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: T.self)) }
  }

  /// Names that end with a zero, from an offset on.
  func names(_ offset: Int) -> [String] {
    bytes[offset...].split(separator: 0, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
  }
}

/// A mapping as the server answers it.
struct ReferenceMapping: Equatable {
  var offset: UInt64
  var length: UInt64
  var address = UInt64.max
  var type: UInt16
  var flags: UInt16 = 0
  var device: UInt32 = 0

  func put(into writer: inout ByteWriter) {
    writer.put(offset)
    writer.put(length)
    writer.put(address)
    writer.put(type)
    writer.put(flags)
    writer.put(device)
  }
}
