/// The security contexts that a new file is to have, one for each security module: `struct fuse_secctx`, each with a name and a value behind it.
/// Since 7.36.
public struct SecurityContexts: Sequence {
  public struct Element {
    /// The extended attribute, without a NUL: "security.selinux" and the like.
    public var name: UnsafeRawBufferPointer
    /// What it is to hold.
    public var value: UnsafeRawBufferPointer
  }

  private let bytes: UnsafeRawBufferPointer
  /// How many there are, 0...31.
  public let count: Int

  /// Nil unless `bytes` holds `count` of them.
  init?(_ bytes: UnsafeRawBufferPointer, count: Int) {
    self.bytes = bytes
    self.count = count
    var iterator = Iterator(bytes: bytes, left: count)
    for _ in 0..<count {
      guard iterator.next() != nil else { return nil }
    }
  }

  public func makeIterator() -> Iterator { Iterator(bytes: bytes, left: count) }

  public struct Iterator: IteratorProtocol {
    private var bytes: UnsafeRawBufferPointer
    private var left: Int

    fileprivate init(bytes: UnsafeRawBufferPointer, left: Int) {
      self.bytes = bytes
      self.left = left
    }

    public mutating func next() -> Element? {
      // struct fuse_secctx: the size of the value, padding. Then the name with its NUL, and the value; the next begins at 8 bytes.
      guard left > 0, bytes.count >= 8 else { return nil }
      let size = Int(bytes.field(0, as: UInt32.self))
      guard let end = bytes[8...].firstIndex(of: 0), size <= bytes.count - end - 1 else {
        return nil
      }
      left -= 1
      defer {
        let next = Swift.min((end + 1 + size + 7) & ~7, bytes.count)
        bytes = UnsafeRawBufferPointer(rebasing: bytes[next...])
      }
      return Element(
        name: UnsafeRawBufferPointer(rebasing: bytes[8..<end]),
        value: UnsafeRawBufferPointer(rebasing: bytes[(end + 1)..<(end + 1 + size)]))
    }
  }
}
