import Foundation
import KernelDouble
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import fuse4fs

/// Every rule of the conformance checklist (fuse-iomap ABI 8), on the daemon, by its number.
@Suite(.serialized) struct ConformanceTests {
  @Test func everyRule() throws {
    let rules = RuleBook()
    let only = ProcessInfo.processInfo.environment["FUSE4FS_SCENARIO"]
    for scenario in ConformanceScenario.all where only == nil || scenario.name == only {
      let own = RuleBook()
      do {
        try Scratch.with { scratch in
          try scenario.run(Subject(scratch).scenarioSubject(own))
        }
        try own.verify()
      } catch {
        Issue.record("\(scenario.name): \(error)")
      }
      rules.add(own)
    }
    print(rules.report())
    #expect(only != nil || rules.neverExercised.isEmpty)
  }

  /// The daemon, as scenarios want it.
  private final class Subject: Sendable {
    private let scratch: Scratch
    private let mounts = Mutex<[ObjectIdentifier: SimulatedMount]>([:])
    private let images = Atomic<Int>(0)

    init(_ scratch: Scratch) { self.scratch = scratch }

    func scenarioSubject(_ rules: RuleBook) -> ScenarioSubject {
      ScenarioSubject(
        rules: rules,
        makeImage: { fixture in
          let number = self.images.wrappingAdd(1, ordering: .relaxed).newValue
          return try fixture.makeExt4(at: self.scratch.appending("disk\(number).img")).path
        },
        mount: { configuration, path in
          let mount = try SimulatedMount(
            Image(existing: path), configuration, rules: rules, startsKernel: false)
          self.mounts.withLock { $0[ObjectIdentifier(mount.kernel)] = mount }
          return mount.kernel
        },
        finish: { kernel in
          self.mounts.withLock { $0.removeValue(forKey: ObjectIdentifier(kernel)) }?.waitForEnd()
        },
        verifyImage: { path in try Image(existing: path).check() },
        breakDevice: { kernel in
          self.mounts.withLock { $0[ObjectIdentifier(kernel)] }?.mount.volume.device.stopWriting()
        })
    }
  }
}
