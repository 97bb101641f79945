import Glibc
import SystemPackage
import TestSupport

extension ConformanceScenario {
  static let mappings = [
    ConformanceScenario(
      "every kind of BEGIN",
      [.i22, .i23, .i24, .i25, .i26, .i27, .i28, .i30, .i32, .i33, .i39, .i53],
      both { subject, configuration in
        try subject.with(configuration) { kernel in
          let file = try sparseFile(kernel)
          try readsChangeNothing(kernel, file)
          try sweepWrites(kernel, file)
          try limits(kernel, file)
          try strangers(kernel, file)
          try kernel.close(file)
        }
      }),
    ConformanceScenario("unknown operation flags", [.i41]) { subject in
      var configuration = SimulatedKernel.Configuration()
      configuration.unknownOperationFlags = 0x0080_0000
      try subject.with(configuration) { kernel in
        let problem = error {
          try kernel.exerciseFile("a")
          try kernel.checkAgainstDisk()
        }
        kernel.rules.check(
          .i41, problem == nil, "with an unknown flag: \(String(describing: problem))")
      }
    },
    ConformanceScenario("blocks without an unwritten state", [.i29]) { subject in
      var fixture = ScenarioSubject.Fixture()
      fixture.isIndirect = true
      for revision in Revision.allCases {
        var configuration = SimulatedKernel.Configuration()
        configuration.revision = revision
        try subject.with(configuration, fixture) { try indirectFile($0) }
      }
    },
    ConformanceScenario("atomic writes", [.i34]) { subject in
      for supports in [true, false] {
        var configuration = SimulatedKernel.Configuration()
        configuration.supportsAtomicWrites = supports
        try subject.with(configuration) { try atomicWrites($0) }
      }
    },
    ConformanceScenario("swap files", [.i35, .i62]) { subject in
      try subject.with { try swapFile($0) }
    },
    ConformanceScenario("inline data", [.i40]) { subject in
      var fixture = ScenarioSubject.Fixture()
      fixture.hasInlineData = true
      for revision in Revision.allCases {
        var configuration = SimulatedKernel.Configuration()
        configuration.revision = revision
        try subject.with(configuration, fixture) { try inlineFile($0) }
      }
    },
  ]

  /// Written, unwritten and no blocks in turn, its end within a block.
  private static func sparseFile(_ kernel: SimulatedKernel) throws -> OpenFile {
    let file = try kernel.create("sparse")
    let block = kernel.blockSize
    let bytes = SeededGenerator.bytes(Int(block), seed: 5)
    for index: UInt64 in [0, 1, 4, 9] { try kernel.write(file, at: index * block, bytes) }
    try kernel.fallocate(file, mode: 1, at: 2 * block, length: block)
    try kernel.truncate(file.node, to: 10 * block - 100)
    try kernel.fsync(file)
    return file
  }

  private static func positions(_ kernel: SimulatedKernel) -> [(UInt64, UInt64)] {
    let (block, end) = (kernel.blockSize, kernel.session.maximumBytes)
    return [
      (0, 1), (0, block), (1, block), (block - 1, 2), (2 * block, block), (3 * block + 7, 100),
      (4 * block, 1 << 40), (9 * block, block), (10 * block, block), (20 * block, 5),
      (0, end), (1 << 40, 1 << 20), (end - 1, 1), (end - block, block),
    ]
  }

  private static func readsChangeNothing(_ kernel: SimulatedKernel, _ file: OpenFile) throws {
    try kernel.syncfs()
    let before = try kernel.oracle.inodes([file.number])[file.number]
    for operation: OperationFlags in [[], .report, .direct, .zero, [.direct, .nowait]] {
      for (position, count) in positions(kernel) {
        kernel.probe(file.inode, operation, at: position, count: count)
      }
    }
    _ = try kernel.fiemap(file)
    // What they might have changed must be on disk to be seen.
    try kernel.syncfs()
    let after = try kernel.oracle.inodes([file.number])[file.number]
    kernel.rules.check(
      .i27, before == after,
      "reads changed inode \(file.number) from \(String(describing: before)) to"
        + " \(String(describing: after))")
  }

  private static func sweepWrites(_ kernel: SimulatedKernel, _ file: OpenFile) throws {
    let block = kernel.blockSize
    for operation: OperationFlags in [
      .write, [.write, .fault], [.write, .direct], [.write, .dontCache], .writeback,
    ] {
      for index: UInt64 in [0, 2, 3, 5, 12, 100] {
        let position = operation == .writeback ? index * block : index * block + 3
        kernel.probe(file.inode, operation, at: position, count: block - 3)
      }
    }
    // A huge count: something that covers the position.
    kernel.probe(file.inode, .write, at: 1000 * block, count: 1 << 30)
    try kernel.truncate(file.node, to: 0)
    try kernel.checkAgainstDisk()
  }

  private static func limits(_ kernel: SimulatedKernel, _ file: OpenFile) throws {
    let end = kernel.session.maximumBytes
    for operation: OperationFlags in [.write, [.write, .direct]] {
      let reply = try kernel.probeRaw(
        node: file.node, number: file.number, operation, at: end, count: 4096)
      kernel.rules.check(
        .i32, reply.error == EFBIG, "WRITE beyond MAXBYTES answered with errno \(reply.error)")
    }
  }

  private static func strangers(_ kernel: SimulatedKernel, _ file: OpenFile) throws {
    for (node, number) in [(999_999, 999_999), (file.node, file.number + 1)] as [(UInt64, UInt64)] {
      for operation: OperationFlags in [[], .write, .report] {
        let reply = try kernel.probeRaw(
          node: node, number: number, operation, at: 0, count: 4096)
        kernel.rules.check(
          .i39, reply.error != 0,
          "BEGIN of node \(node), inode \(number) is answered with a mapping")
      }
    }
  }

  private static func indirectFile(_ kernel: SimulatedKernel) throws {
    let block = Int(kernel.blockSize)
    let bytes = SeededGenerator.bytes(3 * block + 100, seed: 9)
    for round in 0..<3 {
      let file = try kernel.create("old\(round)")
      try kernel.write(file, at: 0, SeededGenerator.bytes(64 * block, seed: 8))
      try kernel.fsync(file)
      try kernel.close(file)
      try kernel.unlink("old\(round)")
      try kernel.evict(file.node)
      try kernel.syncfs()
    }
    let file = try kernel.create("new")
    for place in [0, 5, 40] { try kernel.write(file, at: UInt64(place * block + 50), bytes) }
    try kernel.writeDirect(file, at: UInt64(80 * block), Array(bytes.prefix(block)))
    try kernel.fsync(file)
    try kernel.expect(file, [UInt8](repeating: 0, count: 50))
    try kernel.expect(file, bytes, at: UInt64(40 * block + 50))
    try kernel.checkAgainstDisk()
    try kernel.close(file)
  }

  private static func atomicWrites(_ kernel: SimulatedKernel) throws {
    let file = try kernel.makeFile("atomic", size: 16 << 10)
    let block = kernel.blockSize
    let bytes = SeededGenerator.bytes(Int(block), seed: 4)
    for index: UInt64 in [0, 2, 4] {
      do throws(Errno) {
        try kernel.writeAtomic(file, at: index * block, bytes)
      } catch {
        // Without device support the file has no ATOMIC, and the kernel refuses.
        guard error == .unsupported else { throw error }
        continue
      }
      try kernel.write(file, at: (index + 1) * block, bytes)
      try kernel.expect(file, bytes, at: index * block)
    }
    if !file.inode.flags.contains(.atomic) {
      kernel.probe(file.inode, [.write, .direct, .atomic], at: 0, count: block)
    }
    try kernel.fsync(file)
    try kernel.checkAgainstDisk()
    try kernel.close(file)
  }

  private static func swapFile(_ kernel: SimulatedKernel) throws {
    let file = try kernel.create("swap")
    try kernel.fallocate(file, mode: 0, at: 0, length: 512 << 10)
    try kernel.write(file, at: 0, SeededGenerator.bytes(4096, seed: 1))
    // Not yet committed, or committed for it: never DIRTY.
    let extents = try kernel.swapOn(file)
    try kernel.syncfs()
    let before = try kernel.oracle.inodes([file.number])[file.number]
    for round in 0..<4 {
      let other = try kernel.makeFile("other\(round)", size: 200 << 10, seed: 2)
      try kernel.truncate(other.node, to: 5000)
      try kernel.close(other)
    }
    try kernel.syncfs()
    let during = try kernel.oracle.inodes([file.number])[file.number]
    kernel.rules.check(
      .i35, before?.extents == during?.extents && !extents.isEmpty,
      "the blocks of a swap file have changed")
    kernel.swapOff(file)
    try kernel.syncfs()
    let after = try kernel.oracle.inodes([file.number])[file.number]
    kernel.rules.check(
      .i62, during?.extents == after?.extents && during?.size == after?.size,
      "SWAPOFF changed the file")
    // With a hole it is refused, and the kernel says that it is over.
    try kernel.fallocate(file, mode: 3, at: 64 << 10, length: 64 << 10)
    if error({ _ = try kernel.swapOn(file) }) == nil {
      kernel.rules.violate(.i35, "a file with a hole became a swap file")
    }
    try kernel.close(file)
  }

  private static func inlineFile(_ kernel: SimulatedKernel) throws {
    let start = Array(ScenarioSubject.Fixture.contents.prefix(40))
    let node = try kernel.lookup("small").node
    let file = try kernel.open(node)
    kernel.rules.exercise(.i40)
    let read = try kernel.read(file, at: 0, count: 4096)
    kernel.rules.check(.i40, read == start, "an inline file reads \(read.count) other bytes")
    try kernel.write(file, at: 10, [1, 2, 3])
    try kernel.fsync(file)
    var expected = start
    expected.replaceSubrange(10..<13, with: [1, 2, 3])
    if file.usesIomap { try kernel.dropPageCache(node) }
    let again = try kernel.read(file, at: 0, count: 4096)
    kernel.rules.check(.i40, again == expected, "an inline file reads wrong after a write")
    // Too much for an inode.
    try kernel.write(file, at: 5000, [UInt8](repeating: 9, count: 5000))
    try kernel.truncate(node, to: 6000)
    try kernel.fsync(file)
    if file.usesIomap { try kernel.dropPageCache(node) }
    let longer = try kernel.read(file, at: 0, count: 8192)
    let wanted =
      expected + [UInt8](repeating: 0, count: 4960) + [UInt8](repeating: 9, count: 1000)
    kernel.rules.check(.i40, longer == wanted, "a file that was inline reads wrong")
    try kernel.close(file)
  }
}
