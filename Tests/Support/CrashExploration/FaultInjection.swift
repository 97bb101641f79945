import Dispatch
import Ext4
import Synchronization
import SystemPackage
import TestSupport

/// A workload on a device that fails, once for each of its writes and flushes, or of its reads: no loss without an error, and a disk that can be
/// recovered.
public struct FaultInjection: Sendable {
  public struct Report: Sendable {
    public internal(set) var faults = 0
    /// In how many cases a caller got an error.
    public internal(set) var noticed = 0
    /// In how many cases the file system was read-only afterwards.
    public internal(set) var stopped = 0
    /// How many of the faults came once only, and after how many of those the file system was read-only.
    public internal(set) var passing = 0
    public internal(set) var stoppedByPassing = 0
    public internal(set) var flaws: [String] = []
  }

  private let workload: Workload
  private let seed: UInt64
  private let image: DiskImage

  public init(_ workload: Workload, seed: UInt64) throws {
    self.workload = workload
    self.seed = seed
    image = try workload.makeDisk(seed: seed).image
  }

  /// Every read fails in turn, once and for good.
  public func runReads() throws -> Report {
    let calm = try calmRun()
    return try run(
      (1...calm.readCount).flatMap { number in
        [false, true].map { FaultyDevice.Fault(.read, number, .ioError, isLasting: $0) }
      })
  }

  private func calmRun() throws -> FaultyDevice {
    let calm = FaultyDevice()
    let outcome = try run(calm, on: try workload.emptyDisk())
    if let error = outcome.errors.first { throw error }
    return calm
  }

  public func run() throws -> Report {
    let calm = try calmRun()
    var faults: [FaultyDevice.Fault] = []
    for (target, count) in [
      (FaultyDevice.Fault.Target.write, calm.writeCount), (.flush, calm.flushCount),
    ] {
      for number in 1...count {
        faults.append(.init(target, number, .ioError, isLasting: false))
        faults.append(
          .init(target, number, number % 3 == 0 ? .noSpace : .ioError, isLasting: number % 3 != 0))
      }
    }
    return try run(faults)
  }

  private func run(_ faults: [FaultyDevice.Fault]) throws -> Report {
    let report = Mutex(Report())
    let next = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: 2) { _ in
      do {
        let disk = try workload.emptyDisk()
        while true {
          let index = next.add(1, ordering: .relaxed).oldValue
          guard index < faults.count else { break }
          let (flaw, outcome) = try examine(faults[index], on: disk)
          report.withLock { report in
            report.faults += 1
            if !outcome.errors.isEmpty { report.noticed += 1 }
            if outcome.isStopped { report.stopped += 1 }
            if !faults[index].isLasting {
              report.passing += 1
              if outcome.isStopped { report.stoppedByPassing += 1 }
            }
            if let flaw { report.flaws.append("\(workload.name), \(faults[index]): \(flaw)") }
          }
        }
      } catch {
        report.withLock { $0.flaws.append("\(error)") }
      }
    }
    return report.withLock { $0 }
  }

  private struct Outcome {
    var history: History
    var synchronized = 0
    /// What callers were told, in order.
    var errors: [any Error] = []
    var isStopped = false
  }

  private func examine(
    _ fault: FaultyDevice.Fault, on disk: MappedDisk
  ) throws -> (flaw: String?, Outcome) {
    let device = FaultyDevice(fault)
    let outcome = try run(device, on: disk)
    guard device.hasFailed else { return ("nothing failed", outcome) }
    let judge = try Judge(workload, Verdict(outcome.history))
    let expectation = Expectation(
      synchronized: outcome.synchronized, begun: outcome.history.operationCount)
    let flaw = try judge.flawAfterErrors(expecting: expectation) { buffer in
      image.copy(into: buffer)
      device.build(in: buffer)
    }
    return (flaw.map { "\($0)\nerrors: \(outcome.errors)" }, outcome)
  }

  /// Runs the workload until its first error, then synchronizes once more and closes.
  private func run(_ device: FaultyDevice, on disk: MappedDisk) throws -> Outcome {
    image.copy(into: disk.bytes)
    var outcome = Outcome(
      history: History(try FoundTree(reading: disk), blockSize: workload.blockSize))
    let volume: Volume
    do {
      var (opened, options) = disk.device { _ in device }
      options.cacheSizes = workload.cacheSizes
      volume = try Volume.open(opened, options: options)
    } catch {
      outcome.errors.append(error)
      return outcome
    }
    let recorded = RecordedVolume(volume, outcome.history)
    var random = SeededGenerator(seed: seed)
    var attempted: History?
    func attempt(_ body: () throws -> Void) {
      do {
        try body()
      } catch {
        outcome.errors.append(error)
        // What the daemon does with errors.
        if let error = error as? Ext4Error { _ = volume.note(error) }
        attempted = recorded.attempted ?? attempted
      }
    }
    attempt {
      _ = try volume.startWriting()
      try workload.body(recorded, &random)
    }
    if !outcome.errors.isEmpty {
      attempt { try recorded.synchronize() }
      outcome.isStopped = !volume.isWritable
      attempted = attempted.map {
        $0.operationCount > recorded.history.operationCount ? $0 : recorded.history
      }
    }
    attempt { try recorded.close() }
    outcome.history = attempted ?? recorded.history
    outcome.synchronized = recorded.synchronized
    return outcome
  }
}
