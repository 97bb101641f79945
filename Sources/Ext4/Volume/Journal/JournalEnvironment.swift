import Journal

/// What opening a journal needs from outside, and what it tells.
public struct JournalEnvironment: Sendable {
  /// Opens the device that has the UUID and is a journal, for our use alone. It is asked once more when the same journal is opened
  /// again. Nil: there are no external journals.
  public var openDevice: (@Sendable (FileSystemUUID) throws(MountRefusal) -> BlockDevice)?
  /// How far a replay has come.
  public var progress: @Sendable (JournalRecovery.Progress) -> Void = { _ in }
  /// Whatever a person should know about the journal.
  public var warning: @Sendable (String) -> Void = { _ in }

  public init() {}
}
