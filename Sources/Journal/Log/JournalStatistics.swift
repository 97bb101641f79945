/// What a log has done since it was started.
public struct JournalStatistics: Sendable {
  public internal(set) var transactions = 0
  /// Changed blocks in them, and freed blocks that they revoke.
  public internal(set) var blocks = 0
  public internal(set) var revoked = 0
  /// Written into the log.
  public internal(set) var logBytes = 0
  public internal(set) var checkpoints = 0

  mutating func count(_ transaction: Transaction, logBytes: Int) {
    transactions += 1
    blocks += transaction.blocks.count
    revoked += transaction.revoked.count
    self.logBytes += logBytes
  }
}
