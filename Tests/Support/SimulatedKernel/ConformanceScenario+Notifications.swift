import Dispatch
import Glibc
import Synchronization
import SystemPackage
import TestSupport

extension ConformanceScenario {
  static let notifications = [
    ConformanceScenario("failing UPSERTs", [.i36, .i37, .i46]) { subject in
      for error in [Errno.noMemory, .staleNFSFileHandle, .ioError, .invalidArgument] {
        var configuration = SimulatedKernel.Configuration()
        configuration.upsertError = error
        configuration.invalidationError = error
        try subject.with(configuration) { kernel in
          var plan = IomapModelChecker.Plan()
          plan.operations = 400
          plan.diskChecks = 1
          let before = kernel.rules.violationCount
          let problem = Self.error { _ = try IomapModelChecker(kernel, plan).run() }
          kernel.rules.exercise(.i36)
          // Violations of other rules are a problem of their own.
          kernel.rules.check(
            .i46, problem == nil || kernel.rules.violationCount > before,
            "with UPSERTs that fail with \(error): \(String(describing: problem))")
        }
      }
    },
    ConformanceScenario("cache dropped at close", [.i51]) { subject in
      var configuration = SimulatedKernel.Configuration()
      configuration.revision = .v6
      try subject.with(configuration) { kernel in
        let problem = Self.error { try closeAndReopen(kernel) }
        kernel.rules.check(
          .i51, problem == nil && kernel.rules.failures.isEmpty,
          "after a close: \(String(describing: problem))")
      }
    },
    ConformanceScenario("UPSERTs and layout changes", [.i47]) { subject in
      try subject.with {
        try lateUpserts($0)
      }
    },
    ConformanceScenario("BEGINs beside layout changes", [.i38, .i47, .i48, .i49]) { subject in
      try subject.with {
        try layoutStress($0)
        $0.rules.exercise(.i38)
      }
    },
    ConformanceScenario("FIEMAP of a fragmented file", [.i52]) { subject in
      var configuration = SimulatedKernel.Configuration()
      configuration.cacheMaximumBytes = 512
      try subject.with(configuration) { try reportWalk($0) }
    },
    ConformanceScenario("before it is shown, after it is forgotten", [.i44, .i45]) { subject in
      try subject.with { kernel in
        for round in 0..<5 {
          let file = try kernel.makeFile("a\(round)", size: 30_000)
          try kernel.close(file)
          try kernel.evict(file.node)
          _ = try kernel.lookup("a\(round)")
          _ = try kernel.readdirplus()
          try kernel.mkdir("d\(round)")
          try kernel.symlink("s\(round)", to: "a\(round)")
          _ = try kernel.lookup("d\(round)")
          try kernel.rename("a\(round)", to: "b\(round)")
        }
        usleep(1_200_000)
        try kernel.syncfs()
        for round in 0..<5 { try kernel.unlink("b\(round)") }
      }
    },
    ConformanceScenario(
      "a random workload",
      [
        .i13, .i15, .i17, .i18, .i22, .i23, .i24, .i25, .i28, .i30, .i31, .i36, .i43, .i47, .i48,
        .i49,
        .i55, .i57, .i66, .i67, .i69,
      ],
      both { subject, configuration in
        var fixture = ScenarioSubject.Fixture()
        // Little room, so that blocks change hands.
        fixture.size = 12 << 20
        var configuration = configuration
        configuration.completionDelayProbability = 0.02
        try subject.with(configuration, fixture) { kernel in
          var plan = IomapModelChecker.Plan()
          plan.operations = 3000
          plan.sizeLimit = 512 << 10
          plan.diskChecks = 4
          _ = try IomapModelChecker(kernel, plan).run()
          try churn(kernel)
        }
      }),
  ]

  private static func closeAndReopen(_ kernel: SimulatedKernel) throws {
    let bytes = SeededGenerator.bytes(40_000, seed: 6)
    for round in 0..<4 {
      let file = try round == 0 ? kernel.create("a") : kernel.open(kernel.lookup("a").node)
      try kernel.write(file, at: UInt64(round) * 40_000, bytes)
      try kernel.expect(file, bytes, at: 0)
      try kernel.close(file)
    }
    // The same mappings after each close.
    for _ in 0..<3 {
      let file = try kernel.open(kernel.lookup("a").node)
      for round in 0..<4 { try kernel.expect(file, bytes, at: UInt64(round) * 40_000) }
      try kernel.close(file)
    }
  }

  /// What was computed before a truncation must not arrive after it.
  private static func lateUpserts(_ kernel: SimulatedKernel) throws {
    let file = try kernel.create("late")
    try kernel.write(file, at: 0, SeededGenerator.bytes(64 << 10, seed: 1))
    try kernel.truncate(file.node, to: 0)
    usleep(250_000)
    try kernel.checkAgainstDisk()
    try kernel.close(file)
  }

  /// BEGINs all the time, while another thread writes, punches and truncates.
  private static func layoutStress(_ kernel: SimulatedKernel) throws {
    let file = try kernel.create("stress")
    let isDone = Mutex(false)
    let readers = DispatchGroup()
    for reader in 0..<2 {
      readers.enter()
      startThread("sim-reader") {
        var random = SeededGenerator(seed: UInt64(reader))
        while !isDone.withLock({ $0 }) {
          let position = UInt64(random.number(0..<64)) * 4096
          kernel.probe(file.inode, random.oneIn(2) ? [] : .report, at: position, count: 8192)
        }
        readers.leave()
      }
    }
    defer {
      isDone.withLock { $0 = true }
      readers.wait()
    }
    var random = SeededGenerator(seed: 9)
    let bytes = SeededGenerator.bytes(32 << 10, seed: 2)
    for _ in 0..<300 {
      let position = UInt64(random.number(0..<50)) * 4096
      try kernel.write(file, at: position, bytes)
      if random.oneIn(2) { try kernel.fsync(file) }
      if random.oneIn(2) {
        try kernel.truncate(file.node, to: UInt64(random.number(0..<200_000)))
      } else {
        try kernel.fallocate(file, mode: 3, at: position, length: 40_000)
      }
    }
    isDone.withLock { $0 = true }
    readers.wait()
    try kernel.checkAgainstDisk()
    try kernel.close(file)
  }

  /// A cache of 16 records, a file of 100 extents: a hot mapping survives the walk.
  private static func reportWalk(_ kernel: SimulatedKernel) throws {
    let file = try kernel.create("fragmented")
    let block = kernel.blockSize
    let bytes = SeededGenerator.bytes(Int(block), seed: 3)
    for index in 0..<UInt64(100) { try kernel.write(file, at: 2 * index * block, bytes) }
    try kernel.fsync(file)
    try kernel.dropMappingCache(file.node)
    try kernel.dropPageCache(file.node)
    _ = try kernel.read(file, at: 0, count: Int(block))
    let isHot = file.inode.monitor.withLock { file.inode.cache?.read.lookup(0) != nil }
    let extents = try kernel.fiemap(file)
    if extents.count < 100 { kernel.rules.fail("FIEMAP shows \(extents.count) of 100 extents") }
    let staysHot = file.inode.monitor.withLock { file.inode.cache?.read.lookup(0) != nil }
    kernel.rules.check(.i52, !isHot || staysHot, "FIEMAP has pushed out what was in use")
    try kernel.close(file)
  }

  /// Blocks freed by one file become another's, as fast as they may.
  private static func churn(_ kernel: SimulatedKernel) throws {
    let room = kernel.device.size / 4
    for round in 0..<8 {
      let file = try kernel.create("churn\(round % 2)")
      let bytes = SeededGenerator.bytes(Int(room / 8), seed: UInt64(round))
      for part in 0..<UInt64(8) {
        do throws(Errno) {
          try kernel.write(file, at: part * (room / 8), bytes)
        } catch {
          guard error == .noSpace else { throw error }
        }
      }
      try kernel.truncate(file.node, to: 100)
      try kernel.unlink("churn\(round % 2)")
      try kernel.close(file)
      try kernel.evict(file.node)
    }
    try kernel.checkAgainstDisk()
  }
}
