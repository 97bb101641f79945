extension Request {
  /// BATCH_FORGET, `struct fuse_batch_forget_in` and as many `struct fuse_forget_one`: the kernel gives up references to several nodes. Has no
  /// reply. Since 7.16.
  public struct BatchForget: RequestArguments, RandomAccessCollection {
    public struct Element: Hashable, Sendable {
      public var nodeID: UInt64
      /// How many references.
      public var lookups: UInt64
    }

    private let items: UnsafeRawBufferPointer

    public init(_ cursor: inout PayloadCursor) throws(DecodingError) {
      let count: UInt32 = try cursor.bytes(8).field(0)
      items = try cursor.bytes(Int(count) * 16)
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { items.count / 16 }

    /// `index` must be one of `indices`.
    public subscript(index: Int) -> Element {
      precondition(indices.contains(index), "there is no such node in the request")
      return Element(nodeID: items.field(index * 16), lookups: items.field(index * 16 + 8))
    }
  }
}
