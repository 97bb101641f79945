extension IomapWire {
  /// The 16 bytes of a file system's UUID, in the order in which they are written.
  public struct VolumeUUID: Hashable, Sendable {
    public static var size: Int { 16 }

    private var first: UInt64
    private var second: UInt64

    /// Nil when there are not exactly 16 bytes.
    public init?(_ bytes: UnsafeRawBufferPointer) {
      guard bytes.count == Self.size else { return nil }
      first = bytes.field(0)
      second = bytes.field(8)
    }

    /// Nil when there are not exactly 16 bytes.
    public init?(_ bytes: some Collection<UInt8>) {
      guard bytes.count == Self.size else { return nil }
      var words: (UInt64, UInt64) = (0, 0)
      withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
      (first, second) = words
    }

    func encode(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) {
      buffer.put(first, at: offset)
      buffer.put(second, at: offset + 8)
    }
  }
}
