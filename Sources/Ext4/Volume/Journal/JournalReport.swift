import Journal

/// What was found in a journal, and done about it.
public struct JournalReport: Sendable {
  /// The file system said that its journal was to be replayed.
  public internal(set) var neededRecovery = false
  public internal(set) var outcome = JournalRecovery.Outcome()
  /// Changes in the log were given up, since the file system had said that there was nothing to recover.
  public internal(set) var wasDiscarded = false
  /// An error that had stopped the journal was noted in the file system.
  public internal(set) var hadError = false

  /// For a person, without a full stop.
  public var summary: String {
    if outcome.transactions > 0 {
      return "replayed the journal, transactions \(outcome.first) to \(outcome.last): "
        + "\(outcome.blocks) blocks written, \(outcome.revokes) revoked"
    }
    if wasDiscarded {
      return
        "gave up what the journal held, since the file system says that it needs none of it: another "
        + "program has used it without its journal"
    }
    return "the journal holds nothing to replay"
  }

  /// Logs what the user should know, although they did not ask for a replay.
  func tell(_ warning: (String) -> Void) {
    if outcome.transactions > 0 || wasDiscarded { warning(summary) }
    if hadError {
      warning("an error had stopped the journal; run e2fsck on the file system soon")
    }
  }
}
