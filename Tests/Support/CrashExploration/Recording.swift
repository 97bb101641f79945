import Ext4
import Journal
import TestSupport

/// A workload that has been carried out: the disk at its beginning, what was written from there on, and what should be seen.
public struct Recording: Sendable {
  public let image: DiskImage
  public let log: WriteLog
  public let history: History

  /// Runs the workload, on a file system that is broken in one place if `fault` is set.
  public init(_ workload: Workload, seed: UInt64, breaking fault: FaultPoint? = nil) throws {
    try self.init(
      workload, on: try workload.makeDisk(seed: seed), seed: seed, breaking: fault)
  }

  /// Runs the workload on a disk that may have lived through a power cut.
  init(_ workload: Workload, on disk: MappedDisk, seed: UInt64, breaking fault: FaultPoint? = nil)
    throws
  {
    image = disk.image
    let recorder = WriteRecorder()
    let volume = try workload.mount(disk, recorder: recorder)
    volume.volume.breakOnPurpose(at: fault)
    var random = SeededGenerator(seed: seed)
    let recorded = RecordedVolume(volume.volume, volume.history, recorder)
    try workload.body(recorded, &random)
    try recorded.close()
    log = recorder.log
    history = recorded.history
  }
}

extension Workload {
  func emptyDisk() throws -> MappedDisk {
    try MappedDisk(byteCount: byteCount, journalByteCount: journalByteCount)
  }

  /// The disk on which the workload begins: a file system in which nothing but stale bytes is free.
  func makeDisk(seed: UInt64) throws -> MappedDisk {
    let disk = try emptyDisk()
    disk.fill(with: FilePattern.stale)
    _ = try Scratch.with { scratch in
      var command = ["mke2fs", "-q", "-F", "-t", type, "-b", String(blockSize)]
      if !features.isEmpty { command += ["-O", features.joined(separator: ",")] }
      if let tree {
        let directory = try scratch.directory("tree")
        try tree(scratch)
        command += ["-d", directory.string]
      }
      command += ["-E", "nodiscard,lazy_itable_init=0,hash_seed=\(Self.hashSeed)"]
      let end = options + [disk.path.string, "\(byteCount / 1024)k"]
      guard let journal = disk.journalCopy else { return try Command(command + end).succeed() }
      // mke2fs insists on a block device.
      return try LoopDevice.with(journal.path) { device in
        let format = ["mke2fs", "-q", "-F", "-b", String(blockSize), "-O", "journal_dev"]
        try Command(format + [device.string]).succeed()
        return try Command(command + ["-J", "device=\(device)"] + end).succeed()
      }
    }
    disk.copyJournalBack()
    let (volume, history) = try mount(disk)
    let recorded = RecordedVolume(volume, history)
    var random = SeededGenerator(seed: seed ^ 0x5e7)
    try setUp(recorded, &random)
    try recorded.close()
    if let complaint = try FileSystemCheck.complaint(about: disk) { throw Failure(complaint) }
    return disk
  }

  /// Always the same, so that names fall into the same blocks.
  private static let hashSeed = "01234567-89ab-4cde-8123-456789abcdef"

  /// Mounts the disk for writing; what is on it is where the history begins.
  func mount(
    _ disk: MappedDisk, recorder: WriteRecorder? = nil
  ) throws -> (volume: Volume, history: History) {
    let (device, options) = disk.device(observer: recorder?.observer)
    let volume = try Volume.open(device, options: options)
    _ = try volume.startWriting()
    let found = try FoundTree(volume, withBlocks: true)
    return (volume, History(found, blockSize: blockSize))
  }
}

extension FoundTree {
  /// What is on a disk on which all is well; nothing is written.
  init(reading disk: MappedDisk) throws {
    let (device, options) = disk.device(isWritable: false)
    let volume = try Volume.open(device, options: options)
    let found = Result { try FoundTree(volume, withBlocks: true) }
    try volume.close()
    self = try found.get()
  }
}
