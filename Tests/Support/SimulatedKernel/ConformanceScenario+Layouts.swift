import Glibc
import SystemPackage
import TestSupport

extension ConformanceScenario {
  static let layouts = [
    ConformanceScenario(
      "FALLOCATE and truncate", [.i63, .i64, .i65],
      both { subject, configuration in
        try subject.with(configuration) { kernel in
          try allocations(kernel)
          try edges(kernel)
          try lastBlock(kernel)
        }
      }),
    ConformanceScenario("COPY_FILE_RANGE", [.i71]) { subject in
      try subject.with { kernel in
        let source = try kernel.makeFile("source", size: 20_000)
        let target = try kernel.makeFile("target", size: 20_000)
        for isLong in [false, true] {
          _ = try? kernel.copyRange(
            source, at: 0, to: target, at: 0, count: 8192, isLong: isLong)
        }
        try kernel.close(source)
        try kernel.close(target)
      }
    },
  ]

  private static func truth(_ kernel: SimulatedKernel, _ file: OpenFile) throws -> InodeTruth {
    try kernel.syncfs()
    guard let truth = try kernel.oracle.inodes([file.number])[file.number] else {
      throw Failure("inode \(file.number) is not on disk")
    }
    return truth
  }

  private static func allocations(_ kernel: SimulatedKernel) throws {
    let block = kernel.blockSize
    let file = try kernel.create("allocated")
    try kernel.fallocate(file, mode: 0, at: block / 2, length: 4 * block)
    var truth = try truth(kernel, file)
    kernel.rules.check(
      .i63,
      truth.size == 4 * block + block / 2
        && (0..<5).allSatisfy { truth.extent(at: $0)?.isUnwritten == true },
      "FALLOCATE 0: size \(truth.size), \(truth.extents)")
    try kernel.fallocate(file, mode: 1, at: 8 * block, length: 2 * block)
    truth = try Self.truth(kernel, file)
    kernel.rules.check(
      .i63,
      truth.size == 4 * block + block / 2
        && (8..<10).allSatisfy { truth.extent(at: $0)?.isUnwritten == true },
      "FALLOCATE KEEP_SIZE: size \(truth.size), \(truth.extents)")
    // The kernel refuses these by itself; a server must know what to say all the same.
    for mode: UInt32 in [8, 32, 64, 2, 3 | 64] where mode != 2 {
      let reply = try kernel.rawFallocate(file, mode: mode, at: 0, length: block)
      kernel.rules.check(
        .i63, reply.error == EOPNOTSUPP, "FALLOCATE mode \(mode): errno \(reply.error)")
    }
    try kernel.close(file)
  }

  /// Punching and zeroing with edges inside of blocks: the server leaves these blocks alone.
  private static func edges(_ kernel: SimulatedKernel) throws {
    let block = kernel.blockSize
    for mode: UInt32 in [3, 17, 16] {
      let bytes = SeededGenerator.bytes(Int(8 * block), seed: 11)
      let file = try kernel.create("edges\(mode)")
      try kernel.write(file, at: 0, bytes)
      try kernel.fsync(file)
      try kernel.withoutWriteback {
        try punch(kernel, file, mode, bytes, from: block + 100, to: 5 * block - 100)
        // Nothing but edges: no whole block.
        try punch(kernel, file, mode, bytes, from: 6 * block + 10, to: 6 * block + 50)
      }
      // The kernel's part: it sends no more than that either.
      try kernel.fallocate(
        file, mode: mode, at: block + 100, length: 4 * block - 200)
      try kernel.expect(
        file,
        Array(bytes[..<Int(block + 100)]) + [UInt8](repeating: 0, count: Int(4 * block - 200))
          + Array(bytes[Int(5 * block - 100)...]))
      try kernel.checkAgainstDisk()
      try kernel.close(file)
    }
  }

  /// FALLOCATE alone, and what became of the blocks at the edges.
  private static func punch(
    _ kernel: SimulatedKernel, _ file: OpenFile, _ mode: UInt32, _ bytes: [UInt8],
    from start: UInt64, to end: UInt64
  ) throws {
    let block = kernel.blockSize
    let before = try truth(kernel, file)
    kernel.ledger.layoutChangeBegins(file.inode, from: start, to: end)
    kernel.ledger.releaseBegins(file.inode, from: start, to: end)
    let reply = try kernel.rawFallocate(file, mode: mode, at: start, length: end - start)
    kernel.ledger.layoutChangeEnded(file.inode, from: start, to: end)
    guard reply.error == 0 else { throw Errno(rawValue: reply.error) }
    // The kernel drops the range whatever it has sent.
    file.inode.monitor.withLock {
      file.inode.dropMappings(
        from: roundDown(start, block), to: roundUp(end, block),
        maximum: kernel.session.maximumBytes)
    }
    let after = try truth(kernel, file)
    for edge in Set([start / block, (end - 1) / block])
    where edge * block < start || (edge + 1) * block > end {
      let (old, new) = (place(before, edge), place(after, edge))
      let isSame =
        old == new && before.extent(at: edge)?.isUnwritten == after.extent(at: edge)?.isUnwritten
      let found = kernel.device.bytes(at: (new ?? 0) * block, count: Int(block))
      kernel.rules.check(
        .i64,
        isSame && found == Array(bytes[Int(edge * block)..<Int((edge + 1) * block)]),
        "FALLOCATE mode \(mode) [\(start), \(end)) changed the edge block \(edge) or its contents")
    }
  }

  private static func place(_ truth: InodeTruth, _ block: UInt64) -> UInt64? {
    truth.extent(at: block).map { $0.deviceBlock + (block - $0.fileBlock) }
  }

  private static func lastBlock(_ kernel: SimulatedKernel) throws {
    let block = kernel.blockSize
    let bytes = SeededGenerator.bytes(Int(8 * block), seed: 12)
    let file = try kernel.create("last")
    try kernel.write(file, at: 0, bytes)
    try kernel.fsync(file)
    let before = try truth(kernel, file)
    let size = 3 * block + 200
    try kernel.truncate(file.node, to: size)
    let after = try truth(kernel, file)
    let found = place(after, 3).map { kernel.device.bytes(at: $0 * block, count: 200) }
    kernel.rules.check(
      .i65,
      place(before, 3) == place(after, 3) && found == Array(bytes[Int(3 * block)..<Int(size)])
        && after.extent(at: 4) == nil,
      "truncate to \(size): the last block was \(String(describing: place(before, 3))), is"
        + " \(String(describing: place(after, 3)))")
    try kernel.expect(file, Array(bytes[..<Int(size)]))
    try kernel.checkAgainstDisk()
    try kernel.close(file)
  }
}
