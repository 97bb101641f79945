import Ext4
import Glibc
import KernelDouble
import SystemPackage
import TestSupport
import Testing

@testable import fuse4fs

/// The daemon is broken on purpose, one place at a time: each time something must notice. What did is printed as a table.
@Suite(.serialized) struct MutationTests {
  /// Something that fails when the daemon is wrong.
  private struct Detector: Sendable {
    let name: String
    let run: @Sendable (FaultPoint?, Scratch) throws -> Void
  }

  @Test func everyFaultIsNoticed() throws {
    var lines: [String] = []
    // Those of the journal are noticed by power cuts (CrashTests).
    for fault in FaultPoint.allCases where fault.journalFault == nil {
      var noticed: String?
      for detector in Self.detectors {
        do {
          try Scratch.with { try detector.run(fault, $0) }
        } catch {
          let first = String(describing: error).split(separator: "\n").first.map(String.init) ?? ""
          noticed = "\(detector.name): \(first.prefix(90))"
          break
        }
      }
      lines.append("\(fault)".padding(to: 32) + (noticed ?? "NOT NOTICED"))
      if noticed == nil { Issue.record("nothing notices \(fault)") }
    }
    print("what is broken                  what notices, and how\n" + lines.joined(separator: "\n"))
  }

  /// Nothing of this fails when nothing is broken.
  @Test func noDetectorIsWrong() throws {
    for detector in Self.detectors {
      try Scratch.with { try detector.run(nil, $0) }
    }
  }

  private static let detectors = [
    Detector(name: "files") { try modelCheck($0, $1) },
    Detector(name: "files of ext3") { try modelCheck($0, $1, type: "ext3") },
    Detector(name: "inline data", run: growInlineFile),
    Detector(name: "closing", run: closeGrowingFiles),
    Detector(name: "errors", run: failAWrite),
    Detector(name: "read-only", run: becomeReadOnly),
    Detector(name: "order", run: commitAfterWrite),
  ]

  private static func with(
    _ fault: FaultPoint?, _ image: Image, check: Bool = true,
    _ configuration: SimulatedKernel.Configuration = .init(),
    _ body: (SimulatedMount) throws -> Void
  ) throws {
    let rules = RuleBook()
    var configuration = configuration
    configuration.deadline = 3000
    let mount = try SimulatedMount(image, configuration, rules: rules)
    mount.mount.volume.breakOnPurpose(at: fault)
    do {
      try body(mount)
      try rules.verify()
      try mount.unmount(check: check)
      try rules.verify()
    } catch {
      mount.kernel.abort()
      mount.waitForEnd()
      throw error
    }
  }

  /// Random operations where there is little room, so that blocks change hands.
  private static func modelCheck(
    _ fault: FaultPoint?, _ scratch: Scratch, type: String = "ext4"
  ) throws {
    let image = try Image(at: scratch.appending("disk.img"), size: "16M", type: type)
    try with(fault, image) { mount in
      var plan = IomapModelChecker.Plan()
      plan.operations = 6000
      plan.seed = 21
      plan.sizeLimit = 512 << 10
      _ = try IomapModelChecker(mount.kernel, plan).run()
    }
  }

  /// A file whose data lies in its inode grows out of it.
  private static func growInlineFile(_ fault: FaultPoint?, _ scratch: Scratch) throws {
    var fixture = ScenarioSubject.Fixture()
    fixture.hasInlineData = true
    let image = try fixture.makeExt4(at: scratch.appending("disk.img"))
    try with(fault, image) { mount in
      let kernel = mount.kernel
      let file = try kernel.open(try kernel.lookup("small").node)
      let before = try kernel.read(file, at: 0, count: 100)
      try kernel.write(file, at: 20_000, [1, 2, 3])
      try kernel.fsync(file)
      try kernel.dropPageCache(file.node)
      let after = try kernel.read(file, at: 0, count: 20_003)
      guard Array(after.prefix(before.count)) == before, after.suffix(3) == [1, 2, 3] else {
        throw Failure("the file has changed as it grew")
      }
      try kernel.close(file)
    }
  }

  /// Files that grow get blocks ahead, and give them back when they are closed, to others.
  private static func closeGrowingFiles(_ fault: FaultPoint?, _ scratch: Scratch) throws {
    let image = try Image(at: scratch.appending("disk.img"), size: "16M")
    try with(fault, image) { mount in
      let kernel = mount.kernel
      let bytes = [UInt8](repeating: 7, count: 64 << 10)
      for round in 0..<6 {
        let file = try kernel.create("growing\(round)")
        for index in 0..<UInt64(9) { try kernel.write(file, at: index * 65_536, bytes) }
        try kernel.close(file)
        // A second is what the background takes its time for, at most.
        usleep(100_000)
        try kernel.syncfs()
        try kernel.checkAgainstDisk()
      }
    }
  }

  /// Writeback fails, and fsync must say so.
  private static func failAWrite(_ fault: FaultPoint?, _ scratch: Scratch) throws {
    let image = try Image(at: scratch.appending("disk.img"), size: "16M")
    var configuration = SimulatedKernel.Configuration()
    configuration.writebackThreads = 0
    try with(fault, image, check: false, configuration) { mount in
      let kernel = mount.kernel
      let file = try kernel.create("file")
      try kernel.write(file, at: 0, [1])
      try kernel.fsync(file)
      mount.mount.volume.knownNodes.first { $0.sizeOnDisk == 1 }?.noteWriteError(.ioError)
      do {
        try kernel.fsync(file)
      } catch {
        try kernel.close(file)
        return
      }
      throw Failure("no caller got the error of writeback")
    }
  }

  /// After an error nothing more may be written, also where the kernel knows how.
  private static func becomeReadOnly(_ fault: FaultPoint?, _ scratch: Scratch) throws {
    let image = try Image(
      at: scratch.appending("disk.img"), size: "16M", options: ["-e", "remount-ro"])
    var configuration = SimulatedKernel.Configuration()
    configuration.writebackThreads = 0
    let rules = RuleBook()
    configuration.deadline = 3000
    let mount = try SimulatedMount(image, configuration, rules: rules)
    defer {
      mount.kernel.abort()
      mount.waitForEnd()
    }
    let kernel = mount.kernel
    mount.mount.volume.breakOnPurpose(at: fault)
    let file = try kernel.create("file")
    try kernel.write(file, at: 0, [UInt8](repeating: 1, count: 65_536))
    try kernel.fsync(file)
    _ = try kernel.readDirect(file, at: 0, count: 4096)
    mount.mount.volume.device.stopWriting()
    _ = try? kernel.chmod(file.node, 0o600)
    _ = try? kernel.syncfs()
    usleep(300_000)
    let before = kernel.counters
    _ = try? kernel.write(file, at: 0, [UInt8](repeating: 2, count: 4096))
    guard (kernel.counters - before).total(prefix: "begin") > 0 else {
      throw Failure("the kernel writes without asking after writing has stopped")
    }
  }

  /// A commit of metadata that leads to data comes after a flush of that data.
  private static func commitAfterWrite(_ fault: FaultPoint?, _ scratch: Scratch) throws {
    // With a journal a commit flushes several times; there, the crash tests watch the order.
    let image = try Image(
      at: scratch.appending("disk.img"), size: "16M", features: ["^has_journal"])
    var configuration = SimulatedKernel.Configuration()
    configuration.writebackThreads = 0
    try with(fault, image, configuration) { mount in
      let kernel = mount.kernel
      let file = try kernel.create("file")
      try kernel.write(file, at: 0, [UInt8](repeating: 1, count: 65_536))
      try kernel.close(file)
      let before = kernel.counters["device flush"]
      try mount.mount.volume.commit()
      guard kernel.counters["device flush"] > before else {
        throw Failure("metadata was committed before the data that it leads to")
      }
    }
  }
}
