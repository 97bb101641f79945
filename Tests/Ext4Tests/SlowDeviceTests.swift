import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Ext4

/// A device that takes half a second for everything. Operations on what is in memory must not wait for it.
@Suite(.serialized) struct SlowDeviceTests {
  @Test(arguments: ColdWork.Work.allCases) func whatIsInMemoryIsThereAtOnce(_ work: ColdWork.Work)
    throws
  {
    try Scratch.with { scratch in
      let image = try ColdWork.makeImage(scratch)
      let slow = ColdWork.Device()
      try ColdWork.withVolume(of: image, on: slow) { volume in
        try measure(work, volume, slow)
      }
    }
  }

  private func measure(
    _ work: ColdWork.Work, _ volume: Volume, _ slow: ColdWork.Device
  ) throws {
    let files = ColdWork.files
    let warm = try ColdWork.find("warm", in: try volume.node(.root), volume)
    for index in 0..<files { _ = try ColdWork.find("file\(index)", in: warm, volume) }
    let (cold, coldInode) = try ColdWork.findCold(volume)
    if work == .checkpoint {
      try ColdWork.perform(.commit, in: cold, coldInode: coldInode, volume)
    }

    slow.slowDown()
    let outcome = Outcome()
    Thread.detachNewThread {
      do {
        try ColdWork.perform(work, in: cold, coldInode: coldInode, volume)
      } catch {
        outcome.failure.withLock { $0 = error }
      }
      outcome.done.signal()
    }
    // Operations on what is in memory, for as long as the other thread works.
    let clock = ContinuousClock()
    var longest = Duration.zero
    var looks = 0
    while outcome.done.wait(timeout: .now() + .milliseconds(5)) == .timedOut {
      let time = try clock.measure {
        _ = try ColdWork.find("file\(looks % files)", in: warm, volume).status()
        try volume.list(warm, from: 0) { _ in true }
      }
      longest = max(longest, time)
      looks += 1
    }
    print("\(work): \(slow.accessCount) slow accesses, \(looks) looks, the longest \(longest)")
    #expect(slow.accessCount > 0, "nothing had to be waited for")
    #expect(longest < .milliseconds(200))
    slow.speedUp()
    if let error = outcome.failure.withLock({ $0 }) { throw error }
  }

  /// How the work ends.
  private final class Outcome: Sendable {
    let failure = Mutex<(any Error)?>(nil)
    let done = DispatchSemaphore(value: 0)
  }
}
