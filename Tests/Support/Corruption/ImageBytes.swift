/// Numbers in the bytes of a disk, in either order, without alignment. What lies outside reads as 0 and is not written.
public struct ImageBytes {
  public let raw: UnsafeMutableRawBufferPointer

  public init(_ raw: UnsafeMutableRawBufferPointer) { self.raw = raw }

  public var count: Int { raw.count }

  public func contains(_ offset: Int, _ size: Int) -> Bool {
    offset >= 0 && size >= 0 && size <= raw.count && offset <= raw.count - size
  }

  /// The number of `size` bytes, 1 to 8, at `offset`.
  public func number(at offset: Int, size: Int, isBigEndian: Bool = false) -> UInt64 {
    guard contains(offset, size) else { return 0 }
    var value: UInt64 = 0
    for index in 0..<size {
      let byte = raw[offset + (isBigEndian ? index : size - 1 - index)]
      value = value << 8 | UInt64(byte)
    }
    return value
  }

  public func set(_ value: UInt64, at offset: Int, size: Int, isBigEndian: Bool = false) {
    guard contains(offset, size) else { return }
    for index in 0..<size {
      raw[offset + (isBigEndian ? size - 1 - index : index)] = UInt8(
        truncatingIfNeeded: value >> (8 * UInt64(index)))
    }
  }

  func little16(_ offset: Int) -> Int { Int(number(at: offset, size: 2)) }
  func little32(_ offset: Int) -> Int { Int(number(at: offset, size: 4)) }
  func big32(_ offset: Int) -> Int { Int(number(at: offset, size: 4, isBigEndian: true)) }

  func part(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
    guard contains(offset, count) else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(rebasing: raw[offset..<offset + count])
  }
}
