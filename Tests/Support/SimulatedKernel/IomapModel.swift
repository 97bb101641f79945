/// What a file must contain, in memory.
struct IomapModel {
  private(set) var bytes: [UInt8] = []

  var size: Int { bytes.count }

  mutating func write(_ new: [UInt8], at position: Int) {
    if bytes.count < position + new.count { resize(to: position + new.count) }
    bytes.replaceSubrange(position..<(position + new.count), with: new)
  }

  mutating func resize(to size: Int) {
    if size < bytes.count {
      bytes.removeLast(bytes.count - size)
    } else {
      bytes.append(contentsOf: repeatElement(0, count: size - bytes.count))
    }
  }

  /// Zeroes what lies in the file.
  mutating func zero(_ start: Int, _ end: Int) {
    let end = min(end, bytes.count)
    guard start < end else { return }
    bytes.withUnsafeMutableBytes { buffer in
      for index in start..<end { buffer[index] = 0 }
    }
  }

  func read(at position: Int, count: Int) -> ArraySlice<UInt8> {
    guard position < bytes.count else { return [] }
    return bytes[position..<min(bytes.count, position + count)]
  }
}
