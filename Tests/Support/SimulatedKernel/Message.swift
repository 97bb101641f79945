/// Builds a message, little-endian as every machine this runs on.
struct MessageWriter {
  private(set) var bytes: [UInt8] = []

  init(capacity: Int = 64) { bytes.reserveCapacity(capacity) }

  mutating func append<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func append(_ mapping: WireMapping) {
    append(mapping.offset)
    append(mapping.length)
    append(mapping.address)
    append(mapping.type)
    append(mapping.flags)
    append(mapping.device)
  }

  mutating func append(zeros count: Int) {
    bytes.append(contentsOf: repeatElement(0, count: count))
  }

  /// A name with the zero that ends it.
  mutating func append(name: String) {
    bytes.append(contentsOf: name.utf8)
    bytes.append(0)
  }

  mutating func append(raw: some Sequence<UInt8>) { bytes.append(contentsOf: raw) }
}

/// Reads fields at their offsets. The caller has checked the length.
struct MessageReader {
  let bytes: UnsafeRawBufferPointer

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  func u8(_ offset: Int) -> UInt8 { bytes[offset] }
  func u16(_ offset: Int) -> UInt16 { load(offset) }
  func u32(_ offset: Int) -> UInt32 { load(offset) }
  func i32(_ offset: Int) -> Int32 { load(offset) }
  func u64(_ offset: Int) -> UInt64 { load(offset) }
  func i64(_ offset: Int) -> Int64 { load(offset) }

  private func load<T: FixedWidthInteger>(_ offset: Int) -> T {
    T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
  }

  func mapping(_ offset: Int) -> WireMapping {
    WireMapping(
      offset: u64(offset), length: u64(offset + 8), address: u64(offset + 16),
      type: u16(offset + 24), flags: u16(offset + 26), device: u32(offset + 28))
  }

  func isZero(_ range: Range<Int>) -> Bool { bytes[range].allSatisfy { $0 == 0 } }
}

extension Array where Element == UInt8 {
  func read<R>(_ body: (MessageReader) -> R) -> R {
    withUnsafeBytes { body(MessageReader($0)) }
  }
}
