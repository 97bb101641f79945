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
  /// A commit may overwrite what is in front of the tail that a checkpoint intends, before that tail is durable.
  case reckonsWithIntendedTail
  /// The copies of a transaction replace those of earlier ones in the checkpoint list before it is committed.
  case listsCopiesBeforeCommit
  /// The checkpoint list forgets the copies of transactions from which recovery may still begin.
  case forgetsCopiesEarly
  /// Freed blocks may become a file's data while a checkpoint is about to write their old copies home.
  case takesOffCopiesGoingHome
}
