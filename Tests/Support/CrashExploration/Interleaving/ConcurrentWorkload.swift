import TestSupport

/// What several tasks do to one file system at the same time.
public struct ConcurrentWorkload: Sendable {
  /// The file system, which is set up by the task that uses it.
  public var disk: Workload
  /// What the writers do, each in a directory of its own.
  public var writers: [Workload.Body]
  /// Tasks that synchronize while the writers work.
  public var synchronizerCount = 2
  /// How often the task that checkpoints has nothing to do after each.
  public var pausesBetweenCheckpoints = 1

  public init(_ name: String, writers: [Workload.Body]) {
    disk = Workload(name) { _, _ in }
    self.writers = writers
    let directories = writers.indices.map(Self.directory)
    disk.setUp = { volume, _ in
      for directory in directories { try volume.makeDirectory(directory) }
    }
  }

  /// The data of files goes through the log as well.
  public mutating func journalData() {
    let directories = writers.indices.map(Self.directory)
    disk.setUp = { volume, _ in
      for directory in directories {
        try volume.makeDirectory(directory)
        try volume.withInode(directory) { inode in
          try inode.setFlags(inode.status().flags.union(.journalData), projectID: nil)
        }
      }
    }
  }

  public func with(_ change: (inout ConcurrentWorkload) -> Void) -> ConcurrentWorkload {
    var copy = self
    change(&copy)
    return copy
  }

  public static func directory(_ writer: Int) -> String { "writer\(writer)" }
}
