/// The first pass over a log: how far it is complete.
///
/// Follows `do_one_pass` (fs/jbd2/recovery.c) in what ends a log, and in what is damage rather than an end:
/// - A block without the magic number, with an unknown type or another transaction's number is the end: what comes before a commit
///   record is missing belongs to a transaction that was interrupted.
/// - A checksum that is wrong in a transaction which has its commit record is damage, unless the record is older than that of
///   the transaction before: then the blocks are left over from an earlier round through the log.
/// - With async commit a commit record may have reached the disk before its transaction did, so that a wrong checksum ends the
///   log, unless a later transaction is complete.
struct LogScan {
  /// The first transaction of the log.
  let first: UInt32
  /// The transaction behind the last that is complete.
  private(set) var end: UInt32
  /// The block behind the last commit record.
  private(set) var head: UInt32
  /// Blocks that are to be looked at to replay the transactions, those of the log itself included.
  private(set) var blockCount = 0

  private let reader: LogReader
  private let format: JournalFormat
  private let features: JournalFeatures

  init(_ journal: OpenJournal, _ reader: LogReader) throws(JournalError) {
    first = journal.superblock.sequence
    end = first
    head = journal.superblock.start
    features = journal.superblock.features
    format = journal.format
    self.reader = reader
    try scan(from: journal.superblock.start)
  }

  /// The number of complete transactions.
  var transactionCount: UInt32 { end &- first }

  private mutating func scan(from start: UInt32) throws(JournalError) {
    var position = start
    var sequence = first
    var walked = 0
    var lastCommit: UInt64 = 0
    var hasWrongChecksum = false
    // With async commit: the transaction with which the log ends. What follows it is only searched for damage.
    var interrupted: UInt32?
    var transaction = TransactionChecksum()

    // After one round the scan is where it began: without this limit it could find transactions for ever.
    while walked < reader.log.count {
      let block = try reader.read(position)
      guard let header = JournalBlockHeader(block), header.sequence == sequence,
        let type = header.type
      else { return }
      position = reader.position(position, advancedBy: 1)
      walked += 1
      switch type {
      case .descriptor:
        let descriptor = DescriptorBlock(block, format: format)
        if !descriptor.isChecksumValid { hasWrongChecksum = true }
        let count = descriptor.tagCount
        if format.checksum == .v1, interrupted == nil {
          transaction.add(block)
          for index in 0..<count {
            guard walked + index < reader.log.count else { return }
            transaction.add(try reader.read(reader.position(position, advancedBy: index)))
          }
        }
        position = reader.position(position, advancedBy: count)
        walked += count
      case .revoke:
        if !RevokeBlock.isChecksumValid(block, format: format) { hasWrongChecksum = true }
      case .commit:
        // Not all of the transaction's blocks can have been its own.
        guard walked <= reader.log.count else { return }
        let commit = CommitBlock(block)
        let isNewer = commit.seconds >= lastCommit
        if hasWrongChecksum {
          guard !isNewer else { throw .damagedTransaction(sequence) }
          return
        }
        if format.checksum == .v1, let interrupted { throw .damagedTransaction(interrupted) }
        if !isValid(block, transaction) {
          guard isNewer else { return }
          guard features.contains(.asyncCommit) else { throw .damagedTransaction(sequence) }
          interrupted = interrupted ?? sequence
        }
        transaction = TransactionChecksum()
        lastCommit = commit.seconds
        sequence &+= 1
        if interrupted == nil {
          end = sequence
          head = position
          blockCount = walked
        }
      case .superblockV1, .superblockV2:
        return
      }
    }
  }

  private func isValid(_ block: UnsafeRawBufferPointer, _ transaction: TransactionChecksum) -> Bool
  {
    format.checksum == .v1
      ? CommitBlock.matches(block, transaction: transaction.value)
      : CommitBlock.isChecksumValid(block, format: format)
  }
}
