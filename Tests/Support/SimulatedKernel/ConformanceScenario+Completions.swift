import Glibc
import SystemPackage
import TestSupport

extension ConformanceScenario {
  static let completions = [
    ConformanceScenario(
      "IOENDs", [.i54, .i55, .i57, .i58],
      both { subject, configuration in
        try subject.with(configuration) { kernel in
          try kernel.withoutWriteback {
            try conversions(kernel)
            try appends(kernel)
          }
        }
      }),
    ConformanceScenario(
      "IOENDs with errors", [.i56],
      both { subject, configuration in
        try subject.with(configuration) { try failedWrites($0) }
      }),
    ConformanceScenario("IOENDs that fail in the server", [.i60]) { subject in
      guard let breakDevice = subject.breakDevice else { return }
      try brokenDevice(subject, breakDevice)
    },
    ConformanceScenario(
      "ENDs", [.i61],
      both { subject, configuration in
        try subject.with(configuration) { try ends($0) }
      }),
  ]

  private static func truth(_ kernel: SimulatedKernel, _ file: OpenFile) throws -> InodeTruth {
    try kernel.syncfs()
    guard let truth = try kernel.oracle.inodes([file.number])[file.number] else {
      throw Failure("inode \(file.number) is not on disk")
    }
    return truth
  }

  private static func request(
    _ flags: UInt32, _ position: UInt64, _ written: UInt64, error: Errno? = nil
  ) -> SimulatedKernel.CompletionRequest {
    .init(
      flags: flags, position: position, written: written, error: error,
      address: Special.nullAddress, device: 0)
  }

  /// Which of the first blocks are written, as a string of "w", "u" and "-".
  private static func states(_ truth: InodeTruth, _ count: UInt64) -> String {
    (0..<count).map { block in
      truth.extent(at: block).map { $0.isUnwritten ? "u" : "w" } ?? "-"
    }.joined()
  }

  /// Exactly the blocks that the range touches, as often as it comes.
  private static func conversions(_ kernel: SimulatedKernel) throws {
    let block = kernel.blockSize
    let file = try kernel.create("conversions")
    try kernel.fallocate(file, mode: 0, at: 0, length: 16 * block)
    try kernel.fallocate(file, mode: 3, at: 6 * block, length: block)
    kernel.probe(file.inode, [], at: 0, count: 16 * block)
    let unwritten = CompletionFlags.direct | CompletionFlags.unwritten
    let steps: [(UInt64, UInt64, String)] = [
      (2 * block + 100, 2 * block, "uuwwwu-uuuuuuuuu"),
      (2 * block + 100, 2 * block, "uuwwwu-uuuuuuuuu"),
      (4 * block, 4 * block, "uuwwww-wuuuuuuuu"),
      (12 * block, block, "uuwwww-wuuuuwuuu"),
      (11 * block, 3 * block, "uuwwww-wuuuwwwuu"),
      (0, 1, "wuwwww-wuuuwwwuu"),
      (15 * block + 1, block - 1, "wuwwww-wuuuwwwuw"),
    ]
    for (position, written, expected) in steps {
      kernel.deliver(request(unwritten, position, written), file.inode)
      let truth = try truth(kernel, file)
      let found = states(truth, 16)
      kernel.rules.check(
        .i55, found == expected,
        "IOEND [\(position) +\(written)] gives \(found) instead of \(expected)")
      kernel.rules.check(
        .i58, truth.size == 16 * block && found == expected,
        "after repeated and overlapping IOENDs: \(found), size \(truth.size)")
    }
    try kernel.checkAgainstDisk()
    try kernel.close(file)
  }

  private static func appends(_ kernel: SimulatedKernel) throws {
    let block = kernel.blockSize
    let file = try kernel.create("appends")
    try kernel.fallocate(file, mode: 1, at: 0, length: 16 * block)
    let append = CompletionFlags.writeback | CompletionFlags.append | CompletionFlags.unwritten
    let plain = CompletionFlags.writeback | CompletionFlags.unwritten
    // The last one is out of order: it must not shrink the file.
    let steps: [(UInt32, UInt64, UInt64, UInt64)] = [
      (append, 0, 100, 100), (append, 100, block, block + 100), (append, 0, 100, block + 100),
      (append, 8 * block, 55, 8 * block + 55), (append, block, block, 8 * block + 55),
      (plain, 9 * block, block, 8 * block + 55),
    ]
    for (flags, position, written, size) in steps {
      kernel.deliver(request(flags, position, written), file.inode)
      let truth = try truth(kernel, file)
      kernel.rules.check(
        .i57, truth.size == size,
        "IOEND flags \(hex(flags)) [\(position) +\(written)]: size \(truth.size), not \(size)")
      kernel.rules.check(
        .i58, truth.size >= size, "an IOEND that came late has shrunk the file to \(truth.size)")
    }
    try kernel.truncate(file.node, to: 0)
    try kernel.close(file)
  }

  private static func failedWrites(_ kernel: SimulatedKernel) throws {
    let block = kernel.blockSize
    let file = try kernel.create("failed")
    try kernel.fallocate(file, mode: 1, at: 0, length: 8 * block)
    try kernel.fsync(file)
    let before = try truth(kernel, file)
    let flags = CompletionFlags.writeback | CompletionFlags.unwritten | CompletionFlags.append
    kernel.deliver(request(flags, 0, 3 * block, error: .ioError), file.inode)
    let first = try kernel.rawFsync(file)
    let second = try kernel.rawFsync(file)
    kernel.rules.check(
      .i56, first.error != 0 && second.error == 0,
      "after a failed write FSYNC answers errno \(first.error), then \(second.error)")
    let after = try truth(kernel, file)
    kernel.rules.check(
      .i56, after.extents == before.extents && after.size == before.size,
      "a failed write changed the file: \(states(after, 8)), size \(after.size)")
    try kernel.close(file)
  }

  private static func brokenDevice(
    _ subject: ScenarioSubject, _ breakDevice: (SimulatedKernel) -> Void
  ) throws {
    let kernel = try subject.mount(.init(), try subject.makeImage(.init()))
    defer {
      kernel.abort()
      try? subject.finish(kernel)
    }
    try kernel.start()
    let file = try kernel.makeFile("broken", size: 0)
    try kernel.fallocate(file, mode: 1, at: 0, length: 64 << 10)
    try kernel.fsync(file)
    breakDevice(kernel)
    let flags = CompletionFlags.writeback | CompletionFlags.unwritten | CompletionFlags.append
    kernel.deliver(request(flags, 0, 5000), file.inode)
    let fsync = try kernel.rawFsync(file)
    let again = Self.error { try kernel.syncfs() }
    kernel.rules.check(
      .i60, fsync.error != 0 || again != nil,
      "an IOEND failed in the server, and FSYNC and SYNCFS say nothing")
    guard fsync.error != 0 else { return }
    let answer = kernel.probe(file.inode, .write, at: 1 << 20, count: 4096)
    kernel.rules.check(
      .i32, [.readOnlyFileSystem, .ioError].contains(answer.error),
      "WRITE after the journal has failed: \(String(describing: answer.error))")
  }

  private static func ends(_ kernel: SimulatedKernel) throws {
    let file = try kernel.makeFile("ends", size: 5000)
    try kernel.fallocate(file, mode: 1, at: 0, length: 64 << 10)
    let isV6 = kernel.configuration.revision == .v6
    var mapping = WireMapping.hole(at: 0, length: 64 << 10)
    mapping.type = MappingType.unwritten
    (mapping.address, mapping.device) = (1 << 20, 1)
    // Without effect: direct, zeroing, short, nothing written.
    for operation: OperationFlags in [[.write, .direct], .zero, .write, [.write, .fault]] {
      let hasGrown = operation == [.write, .direct] || operation == .zero
      let step = SimulatedKernel.Step(
        operation: operation, position: 8192, count: 8192, written: hasGrown ? 8192 : 0,
        mapping: mapping, hasGrown: hasGrown)
      try kernel.end(step, of: file.inode)
    }
    var size = try truth(kernel, file).size
    kernel.rules.check(.i61, size == 5000, "an END has changed the size to \(size)")
    let step = SimulatedKernel.Step(
      operation: .write, position: 8192, count: 8192, written: 4096, mapping: mapping,
      hasGrown: true)
    try kernel.end(step, of: file.inode)
    size = try truth(kernel, file).size
    let expected: UInt64 = isV6 ? 12_288 : 5000
    kernel.rules.check(
      .i61, size == expected, "END with SIZE_CHANGED: size \(size) instead of \(expected)")
    try kernel.truncate(file.node, to: 0)
    try kernel.close(file)
  }
}
