// The flags that have changes on disk before they are answered (chattr(1), S and D).
extension Inode {
  /// Changes of the inode and of its data. No lock is held: a request that sets the flag at this moment has not been answered yet.
  public var isSynchronous: Bool {
    flagsNow.contains(.synchronous)
  }

  /// Changes of the directory's entries.
  public var hasSynchronousEntries: Bool {
    volume.metadata.withLock { !flags.isDisjoint(with: [.synchronous, .synchronousDirectory]) }
  }
}
