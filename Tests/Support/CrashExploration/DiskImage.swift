import Glibc

/// The bytes of a disk at one moment. Copies share what they have in common.
public struct DiskImage: Sendable {
  public static let sectorSize = 512
  private static let chunkSize = 8192

  private var chunks: [[UInt8]] = []
  public let byteCount: Int

  public init(_ bytes: UnsafeRawBufferPointer) {
    byteCount = bytes.count
    for start in stride(from: 0, to: bytes.count, by: Self.chunkSize) {
      chunks.append(Array(bytes[start..<min(start + Self.chunkSize, bytes.count)]))
    }
  }

  public mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    Self.forEachPart(of: bytes.count, at: offset, unit: Self.chunkSize) { chunk, within, part in
      chunks[chunk].withUnsafeMutableBytes {
        _ = memcpy($0.baseAddress! + within, bytes.baseAddress! + part.lowerBound, part.count)
      }
    }
  }

  /// Brings the image into `buffer`, which is as large as it.
  public func copy(into buffer: UnsafeMutableRawBufferPointer) {
    for (index, chunk) in chunks.enumerated() {
      chunk.withUnsafeBytes {
        _ = memcpy(buffer.baseAddress! + index * Self.chunkSize, $0.baseAddress!, $0.count)
      }
    }
  }

  /// The contents of a sector.
  func withSector<R>(_ number: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    let offset = number * Self.sectorSize
    return chunks[offset / Self.chunkSize].withUnsafeBytes {
      let start = offset % Self.chunkSize
      return body(UnsafeRawBufferPointer(rebasing: $0[start..<start + Self.sectorSize]))
    }
  }

  /// Calls `body` for each unit that [`offset`, `offset` + `count`) touches with its number, the place in it, and the part of
  /// the range that falls into it, counted from `offset`.
  static func forEachPart(
    of count: Int, at offset: Int, unit: Int,
    _ body: (_ number: Int, _ within: Int, _ part: Range<Int>) -> Void
  ) {
    var done = 0
    while done < count {
      let within = (offset + done) % unit
      let length = min(count - done, unit - within)
      body((offset + done) / unit, within, done..<done + length)
      done += length
    }
  }
}

/// A hash of a disk's contents that follows changes: the sum of the hashes of its sectors.
struct ContentHash: Hashable, Sendable {
  private(set) var value: UInt64 = 0

  mutating func replace(sector: Int, _ old: UnsafeRawBufferPointer, by new: UnsafeRawBufferPointer)
  {
    value = value &- Self.hash(sector, old) &+ Self.hash(sector, new)
  }

  private static func hash(_ sector: Int, _ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var state = UInt64(sector) &* 0x9e37_79b9_7f4a_7c15 ^ 0x2545_f491_4f6c_dd1d
    for word in bytes.bindMemory(to: UInt64.self) {
      state = (state ^ word) &* 0xff51_afd7_ed55_8ccd
      state ^= state >> 32
    }
    return state
  }
}
