extension Request {
  /// REMOVEMAPPING, `struct fuse_removemapping_in`, of 4 bytes, and as many `struct fuse_removemapping_one`. Since 7.31.
  public struct RemoveMapping: RequestArguments, RandomAccessCollection {
    public struct Element: Hashable, Sendable {
      /// First byte of the window.
      public var memoryOffset: UInt64
      /// Bytes.
      public var length: UInt64
    }

    private let items: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let count: UInt32 = try cursor.bytes(4).field(0)
      items = try cursor.bytes(Int(count) * 16)
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { items.count / 16 }

    /// `index` must be one of `indices`.
    public subscript(index: Int) -> Element {
      precondition(indices.contains(index), "there is no such mapping in the request")
      return Element(memoryOffset: items.field(index * 16), length: items.field(index * 16 + 8))
    }
  }
}
