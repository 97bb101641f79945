import Foundation
import KernelDouble
import Synchronization
import SystemPackage
import TestSupport

/// Scenarios on the reference server.
final class ReferenceSubject: Sendable {
  private let fault: Fault
  private let scratch: Scratch
  private let fixtures = Mutex<[String: ScenarioSubject.Fixture]>([:])
  private let mounts = Mutex<[ObjectIdentifier: ReferenceMount]>([:])
  private let names = Mutex(0)

  init(fault: Fault, scratch: Scratch) {
    self.fault = fault
    self.scratch = scratch
  }

  func subject(_ rules: RuleBook) -> ScenarioSubject {
    var subject = ScenarioSubject(
      rules: rules,
      makeImage: { [self] fixture in
        let number = names.withLock {
          $0 += 1
          return $0
        }
        let path = scratch.appending("image\(number)")
        fixtures.withLock { $0[path.string] = fixture }
        return path
      },
      mount: { [self] configuration, image in
        let mount = try make(configuration, rules, image)
        mounts.withLock { $0[ObjectIdentifier(mount.kernel)] = mount }
        return mount.kernel
      },
      finish: { [self] kernel in
        mounts.withLock { $0[ObjectIdentifier(kernel)] }?.server.join()
        _ = mounts.withLock { $0.removeValue(forKey: ObjectIdentifier(kernel)) }
      },
      breakDevice: { [self] kernel in
        let server = mounts.withLock { $0[ObjectIdentifier(kernel)] }?.server
        server?.withLock { server?.isReadOnly = true }
      })
    subject.fragments = 3000
    return subject
  }

  private func make(
    _ configuration: SimulatedKernel.Configuration, _ rules: RuleBook, _ image: FilePath
  ) throws -> ReferenceMount {
    let base = image.string.replacingOccurrences(of: "-crash", with: "")
    var configuration = configuration
    // A fault may leave requests unanswered.
    if fault != .none { configuration.deadline = min(configuration.deadline, 3000) }
    let fixture = fixtures.withLock { $0[base] } ?? .init()
    return try ReferenceMount(configuration, fault: fault, rules: rules, image: image) {
      $0.blockSize = fixture.blockSize
      $0.blocks = fixture.size / fixture.blockSize
      $0.isIndirect = fixture.isIndirect
      $0.hasInlineData = fixture.hasInlineData
      $0.persists = true
    }
  }
}
