/// What the file must contain: the bytes from `base` on. Everything before is a hole.
struct FileModel {
  let base: Int
  let limit: Int
  private(set) var bytes: [UInt8] = []

  /// - Parameters:
  ///   - base: the offset in the file of the first byte that is ever written.
  ///   - limit: the greatest number of bytes from there on.
  init(base: Int, limit: Int) {
    self.base = base
    self.limit = limit
  }

  var size: Int { bytes.count }

  mutating func resize(_ size: Int) {
    if size < bytes.count {
      bytes.removeSubrange(size...)
    } else {
      bytes.append(contentsOf: repeatElement(0, count: size - bytes.count))
    }
  }

  mutating func grow(to size: Int) {
    if size > bytes.count { resize(size) }
  }

  mutating func write(_ data: ArraySlice<UInt8>, at offset: Int) {
    grow(to: offset + data.count)
    bytes.replaceSubrange(offset..<offset + data.count, with: data)
  }

  /// Zeroes what lies within the size; never grows.
  mutating func zero(_ range: Range<Int>) {
    let inside = range.clamped(to: 0..<size)
    bytes.replaceSubrange(inside, with: repeatElement(0, count: inside.count))
  }

  /// The first position at which `found`, read at `offset`, is not what it must be.
  func mismatch(_ found: [UInt8], at offset: Int) -> Int? {
    let expected = bytes[min(offset, size)..<min(offset + found.count, size)]
    if expected.elementsEqual(found) { return nil }
    let same = zip(expected, found).prefix { $0 == $1 }.count
    return offset + same
  }
}
