/// The entries of a reply to READDIR or READDIRPLUS, read back. What does not fit whole is not an entry: iteration ends before it, and
/// `Iterator.rest` says how many bytes are left.
public struct DirectoryEntries: Sequence {
  public struct Element {
    /// Of READDIRPLUS; its node is 0 where the entry brings none.
    public var entry: Reply.Entry?
    public var inode: UInt64
    /// The position to go on from behind the entry.
    public var next: UInt64
    /// DT_* of readdir(3).
    public var type: UInt32
    public var name: UnsafeRawBufferPointer
  }

  private let payload: UnsafeRawBufferPointer
  private let isPlus: Bool
  private let minor: UInt32

  public init(
    _ payload: UnsafeRawBufferPointer, isPlus: Bool,
    at minor: UInt32 = NegotiatedProtocol.latestMinor
  ) {
    self.payload = payload
    self.isPlus = isPlus
    self.minor = minor
  }

  public func makeIterator() -> Iterator {
    Iterator(bytes: payload, entrySize: isPlus ? Reply.Entry.size(at: minor) : 0, minor: minor)
  }

  public struct Iterator: IteratorProtocol {
    private var bytes: UnsafeRawBufferPointer
    private let entrySize: Int
    private let minor: UInt32

    fileprivate init(bytes: UnsafeRawBufferPointer, entrySize: Int, minor: UInt32) {
      self.bytes = bytes
      self.entrySize = entrySize
      self.minor = minor
    }

    /// Bytes that no entry has been made of.
    public var rest: Int { bytes.count }

    public mutating func next() -> Element? {
      let headerSize = entrySize + DirectoryWriter.headerSize
      guard bytes.count >= headerSize else { return nil }
      let header = UnsafeRawBufferPointer(rebasing: bytes[entrySize...])
      let length = Int(header.field(16, as: UInt32.self))
      guard length <= bytes.count - headerSize else { return nil }
      let end = headerSize + length
      defer {
        let next = Swift.min((end + 7) & ~7, bytes.count)
        bytes = UnsafeRawBufferPointer(rebasing: bytes[next...])
      }
      return Element(
        entry: entrySize == 0
          ? nil
          : Reply.Entry(UnsafeRawBufferPointer(rebasing: bytes[..<entrySize]), at: minor),
        inode: header.field(0), next: header.field(8), type: header.field(20),
        name: UnsafeRawBufferPointer(rebasing: bytes[headerSize..<end]))
    }
  }
}
