/// Places where a test can break the log on purpose, to see that the tests notice.
public enum JournalFault: UInt8, Sendable {
  /// The commit record is written before the blocks that it commits are on stable storage.
  case commitRecordBeforeBlocks = 1
  /// A commit counts as durable before its record is on stable storage.
  case acknowledgesBeforeFlush
  /// Blocks go home before their transaction is committed.
  case checkpointsBeforeCommit
  /// Nothing keeps older copies of freed blocks from going home.
  case forgetsRevokes
  /// Transactions leave the log before their blocks are home.
  case advancesTailEarly
}
