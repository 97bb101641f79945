/// What goes home from a log: of each block the last copy that is not revoked. Made before anything is written, so that a damaged
/// log changes nothing.
struct ReplayPlan {
  struct Copy {
    /// In blocks of the file system.
    let home: BlockNumber
    /// In blocks of the journal.
    let block: UInt32
    let isEscaped: Bool
    let sequence: UInt32
  }

  /// In the order of their homes.
  private(set) var copies: [Copy] = []
  private(set) var revokeCount = 0

  private let scan: LogScan
  private let reader: LogReader
  private let format: JournalFormat
  private let start: UInt32

  /// Revoked blocks that are kept in mind whether the log has copies of them or not.
  static let revokeLimit = 1 << 20

  /// `looked` hears how many of the log's blocks have been looked at.
  init(
    _ journal: OpenJournal, _ scan: LogScan, _ reader: LogReader, limits: ReplayLimits,
    revokeLimit: Int = revokeLimit, looked: (Int) -> Void
  ) throws(JournalError) {
    self.scan = scan
    self.reader = reader
    format = journal.format
    start = journal.superblock.start
    let revokes = try readRevokes(limit: revokeLimit)
    revokeCount = revokes.count
    try readCopies(without: revokes, limits, looked)
  }

  /// A log can revoke more blocks than memory can hold: then only the blocks that have copies in the log are kept.
  private func readRevokes(limit: Int) throws(JournalError) -> RevokeTable {
    if let table = try readRevokes(of: nil, limit: limit) { return table }
    return try readRevokes(of: try blocksWithCopies(), limit: .max) ?? RevokeTable()
  }

  /// Those of `wanted`, or all; nil if these are more than `limit`.
  private func readRevokes(
    of wanted: Set<UInt64>?, limit: Int
  ) throws(JournalError) -> RevokeTable? {
    var table = RevokeTable()
    try forEachBlock { (_, header, block) throws(JournalError) in
      guard header.type == .revoke, table.count <= limit else { return }
      guard let revoked = RevokeBlock(block, format: format) else {
        throw .damagedTransaction(header.sequence)
      }
      for number in revoked where wanted?.contains(number.rawValue) ?? true {
        table.revoke(number, by: header.sequence)
      }
    }
    return table.count <= limit ? table : nil
  }

  private func blocksWithCopies() throws(JournalError) -> Set<UInt64> {
    var blocks: Set<UInt64> = []
    try forEachBlock { (_, header, block) throws(JournalError) in
      guard header.type == .descriptor else { return }
      for tag in DescriptorBlock(block, format: format) { blocks.insert(tag.block.rawValue) }
    }
    return blocks
  }

  private mutating func readCopies(
    without revokes: RevokeTable, _ limits: ReplayLimits, _ looked: (Int) -> Void
  ) throws(JournalError) {
    var limits = limits
    var last: [UInt64: Copy] = [:]
    var tags: [BlockTag] = []
    var done = 0
    try forEachBlock { (position, header, block) throws(JournalError) in
      done += 1
      guard header.type == .descriptor else { return }
      let descriptor = DescriptorBlock(block, format: format)
      guard descriptor.isChecksumValid else { throw .damagedTransaction(header.sequence) }
      tags.removeAll(keepingCapacity: true)
      tags.append(contentsOf: descriptor)
      for (index, tag) in tags.enumerated()
      where !revokes.covers(tag.block, of: header.sequence) {
        let place = reader.position(position, advancedBy: 1 + index)
        let content = try reader.read(place)
        guard
          format.matches(
            tag, checksum: format.checksum(ofBlock: content, sequence: header.sequence))
        else { throw .damagedBlock(tag.block, transaction: header.sequence) }
        limits.note(content, for: tag.block)
        last[tag.block.rawValue] = Copy(
          home: tag.block, block: place, isEscaped: tag.flags.contains(.escaped),
          sequence: header.sequence)
      }
      done += tags.count
      looked(done)
    }
    copies = last.values.sorted { $0.home < $1.home }
    for copy in copies { try limits.check(copy) }
  }

  /// The blocks of the log itself in the transactions that are complete, with their places.
  private func forEachBlock(
    _ body: (UInt32, JournalBlockHeader, UnsafeRawBufferPointer) throws(JournalError) -> Void
  ) throws(JournalError) {
    var position = start
    var sequence = scan.first
    while sequence != scan.end {
      let block = try reader.read(position)
      guard let header = JournalBlockHeader(block), header.sequence == sequence else {
        // The device does not give back twice what it has.
        throw .damagedTransaction(sequence)
      }
      let following =
        header.type == .descriptor ? DescriptorBlock(block, format: format).tagCount : 0
      if header.type == .commit { sequence &+= 1 }
      try body(position, header, block)
      position = reader.position(position, advancedBy: 1 + following)
    }
  }
}
