import Ext4
import Journal
import Synchronization
import TestSupport

/// A run of several tasks, interleaved by a seed: the disk at its beginning, what was written from there on, and what should be seen.
struct ConcurrentRecording: Sendable {
  let image: DiskImage
  let log: WriteLog
  let verdict: ConcurrentVerdict
  let operationCount: Int
  let pointCount: Int
  let trace: UInt64

  /// `disk` holds `image`.
  init(
    _ workload: ConcurrentWorkload, _ image: DiskImage, on disk: MappedDisk, seed: UInt64,
    breaking fault: FaultPoint? = nil
  ) throws {
    self.image = image
    let recorder = WriteRecorder()
    let scheduler = Scheduler(seed: seed)
    let (device, options) = disk.device(lockObserver: scheduler) {
      ScheduledDevice(scheduler, recorder.observer(of: $0))
    }
    let volume = try Volume.open(device, options: options)
    _ = try volume.startWriting()
    let found = try FoundTree(volume, withBlocks: true)
    volume.breakOnPurpose(at: fault)
    let progress = ConcurrentProgress(taskCount: workload.writers.count, recorder)
    let crew = Crew(volume, scheduler, progress, writerCount: workload.writers.count)
    let blockSize = workload.disk.blockSize
    var tasks: [(name: String, body: @Sendable () throws -> Void)] = []
    for (index, body) in workload.writers.enumerated() {
      let part = found.subtree(ConcurrentWorkload.directory(index))
      tasks.append(
        (
          "writer \(index)",
          { try crew.write(body, History(part, blockSize: blockSize), as: index, seed: seed) }
        ))
    }
    for index in 0..<workload.synchronizerCount {
      tasks.append(("synchronizer \(index)", { try crew.synchronize(as: index) }))
    }
    tasks.append(("committer", { try crew.commit() }))
    let pauses = workload.pausesBetweenCheckpoints
    tasks.append(("checkpointer", { try crew.checkpoint(pausing: pauses) }))
    try scheduler.run(tasks)
    progress.willSynchronize(0)
    try volume.close()
    progress.mark(.synchronized(operation: 0), by: 0)
    log = recorder.log
    let histories = crew.histories
    operationCount = histories.values.reduce(0) { $0 + $1.operationCount }
    verdict = ConcurrentVerdict(
      histories.sorted { $0.key < $1.key }.map {
        .init(directory: ConcurrentWorkload.directory($0.key), history: Verdict($0.value))
      }, progress.final)
    pointCount = scheduler.pointCount
    trace = scheduler.trace
  }
}

/// The tasks.
private final class Crew: Sendable {
  private struct State {
    var writersLeft: Int
    var histories: [Int: History] = [:]
  }

  private let volume: Volume
  private let scheduler: Scheduler
  private let progress: ConcurrentProgress
  private let state: Mutex<State>

  init(
    _ volume: Volume, _ scheduler: Scheduler, _ progress: ConcurrentProgress, writerCount: Int
  ) {
    self.volume = volume
    self.scheduler = scheduler
    self.progress = progress
    state = Mutex(State(writersLeft: writerCount))
  }

  var histories: [Int: History] { state.withLock { $0.histories } }

  private var isWorking: Bool { state.withLock { $0.writersLeft > 0 } }

  func write(_ body: Workload.Body, _ history: History, as index: Int, seed: UInt64) throws {
    defer { state.withLock { $0.writersLeft -= 1 } }
    let directory = try volume.find(
      ConcurrentWorkload.directory(index), in: try volume.node(.root))
    var start = history
    // So that bytes tell whose file they belong to.
    start.nextID += 1000 * (index + 1)
    let recorded = RecordedVolume(
      volume, start, TaskProgress(all: progress, task: index), root: directory.number)
    recorded.mayBeFull = true
    var random = SeededGenerator(seed: seed &* 31 &+ UInt64(index))
    try body(recorded, &random)
    recorded.closeAllFiles()
    recorded.forget(directory)
    let end = recorded.history
    state.withLock { $0.histories[index] = end }
  }

  func synchronize(as index: Int) throws {
    while isWorking {
      progress.willSynchronize(1000 + index)
      try volume.synchronize()
      progress.mark(.synchronized(operation: 0), by: 1000 + index)
      scheduler.pause()
    }
  }

  func commit() throws {
    while isWorking {
      try volume.commitInBackground()
      scheduler.pause()
    }
  }

  func checkpoint(pausing pauses: Int) throws {
    while isWorking {
      for _ in 0..<pauses where isWorking { scheduler.pause() }
      try volume.checkpoint()
    }
  }
}
