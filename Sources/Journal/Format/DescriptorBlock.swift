import Glibc

/// A block of the log that says where the blocks that follow it belong.
public struct DescriptorBlock: Sequence {
  private let bytes: UnsafeRawBufferPointer
  private let format: JournalFormat

  /// `bytes` are a whole block, whose header was looked at.
  public init(_ bytes: UnsafeRawBufferPointer, format: JournalFormat) {
    self.bytes = bytes
    self.format = format
  }

  public var isChecksumValid: Bool { format.hasValidTail(bytes) }

  /// How many blocks of the log follow that belong to this one.
  public var tagCount: Int {
    var count = 0
    for _ in self { count += 1 }
    return count
  }

  public func makeIterator() -> Iterator { Iterator(bytes: bytes, format: format) }

  /// The tags, up to the one that says that it is the last, or to the block's end.
  public struct Iterator: IteratorProtocol {
    private let bytes: UnsafeRawBufferPointer
    private let format: JournalFormat
    private var offset = JournalBlockHeader.byteCount

    fileprivate init(bytes: UnsafeRawBufferPointer, format: JournalFormat) {
      self.bytes = bytes
      self.format = format
    }

    public mutating func next() -> BlockTag? {
      guard offset + format.tagSize <= format.blockSize - format.tailSize else { return nil }
      let tag = BlockTag(bytes, at: offset, format: format)
      offset += format.tagSize
      if !tag.flags.contains(.sameUUID) { offset += 16 }
      if tag.flags.contains(.last) { offset = format.blockSize }
      return tag
    }
  }

  /// How many tags have room in a block.
  public static func capacity(_ format: JournalFormat) -> Int {
    (format.blockSize - format.tailSize - JournalBlockHeader.byteCount - 16) / format.tagSize
  }
}

/// Fills a descriptor block.
public struct DescriptorBlockWriter {
  private let block: UnsafeMutableRawBufferPointer
  private let format: JournalFormat
  private var offset = JournalBlockHeader.byteCount
  /// Where the last tag is, and what it says.
  private var last: (offset: Int, tag: BlockTag)?

  /// `block` has the size of one, and stays where it is until `finish`. What is in it does not matter.
  public init(
    _ block: UnsafeMutableRawBufferPointer, sequence: UInt32, format: JournalFormat
  ) {
    self.block = block
    self.format = format
    memset(block.baseAddress!, 0, format.blockSize)
    JournalBlockHeader(.descriptor, sequence: sequence).encode(into: block)
  }

  public var isEmpty: Bool { last == nil }

  public var hasRoom: Bool {
    let needed = format.tagSize + (last == nil ? 16 : 0)
    return offset + needed <= format.blockSize - format.tailSize
  }

  /// Adds a tag, of whose flags only `escaped` is the caller's to set. False when there is no room.
  public mutating func append(_ tag: BlockTag) -> Bool {
    guard hasRoom else { return false }
    var tag = tag
    tag.flags.formIntersection(.escaped)
    if last != nil { tag.flags.insert(.sameUUID) }
    tag.encode(into: block, at: offset, format: format)
    last = (offset, tag)
    offset += format.tagSize
    if !tag.flags.contains(.sameUUID) {
      format.uuid.withBytes {
        UnsafeMutableRawBufferPointer(rebasing: block[offset..<offset + 16]).copyMemory(from: $0)
      }
      offset += 16
    }
    return true
  }

  /// Marks the last tag, of which there must be one, and sets the checksum.
  public func finish() {
    guard var last else { return }
    last.tag.flags.insert(.last)
    last.tag.encode(into: block, at: last.offset, format: format)
    format.setTail(of: block)
  }
}
