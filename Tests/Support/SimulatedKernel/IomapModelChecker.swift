import Glibc
import Synchronization
import SystemPackage
import TestSupport

/// Random operations on files of their own for each thread, against a model of their contents.
public struct IomapModelChecker: Sendable {
  public struct Plan: Sendable {
    /// Over all threads.
    public var operations = 20_000
    public var seed: UInt64 = 1
    /// Of each thread.
    public var files = 3
    public var threads = 2
    /// In bytes.
    public var sizeLimit = 1 << 20
    /// Quiescent comparisons with the disk, over the whole run.
    public var diskChecks = 8
    /// Largest number of bytes that an operation reads or writes.
    public var operationSize = 64 << 10
    /// Whether fsync, close and the like happen: they are slow when they flush a real disk.
    public var synchronizes = true

    public init() {}
  }

  public struct Result: Sendable {
    public let operations: Int
    public let seconds: Double
    public let counters: SimulatedKernel.Counters
    public var operationsPerSecond: Double { Double(operations) / max(seconds, 1e-9) }
  }

  private let kernel: SimulatedKernel
  private let plan: Plan

  public init(_ kernel: SimulatedKernel, _ plan: Plan = Plan()) {
    self.kernel = kernel
    self.plan = plan
  }

  /// Runs it; throws at the first wrong byte, unexpected error or violation of a safety rule.
  public func run() throws -> Result {
    let before = kernel.counters
    let rounds = max(1, plan.diskChecks)
    let workers = (0..<plan.threads).map {
      IomapModelWorker(kernel, plan, index: $0, seed: plan.seed &* 1_000_003 &+ UInt64($0))
    }
    var seconds = 0.0
    var done = 0
    for round in 0..<rounds {
      let share = plan.operations * (round + 1) / rounds - done
      seconds += try runRound(workers, operations: share)
      done += share
      do {
        try kernel.checkAgainstDisk()
        try kernel.rules.verify()
      } catch {
        let histories = workers.map(\.history).joined(separator: "\n")
        throw Failure("seed \(plan.seed), after \(done) operations: \(error)\n\(histories)")
      }
    }
    for worker in workers { try worker.finish() }
    return Result(operations: done, seconds: seconds, counters: kernel.counters - before)
  }

  private func runRound(_ workers: [IomapModelWorker], operations: Int) throws -> Double {
    let start = monotonicSeconds()
    let failure = Mutex<(any Error)?>(nil)
    let running = Monitor()
    let count = Mutex(workers.count)
    for (index, worker) in workers.enumerated() {
      let share = operations * (index + 1) / workers.count - operations * index / workers.count
      startThread("sim-model") {
        do { try worker.run(share) } catch { failure.withLock { $0 = $0 ?? error } }
        running.withLock {
          count.withLock { $0 -= 1 }
          running.broadcast()
        }
      }
    }
    running.withLock {
      _ = running.wait(until: Deadline(milliseconds: 3_600_000)) { count.withLock { $0 == 0 } }
    }
    if let error = failure.withLock({ $0 }) { throw error }
    return monotonicSeconds() - start
  }
}

func monotonicSeconds() -> Double {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return Double(now.tv_sec) + Double(now.tv_nsec) / 1e9
}
