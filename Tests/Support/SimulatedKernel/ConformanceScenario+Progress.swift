import Foundation
import Glibc
import SystemPackage
import TestSupport

extension ConformanceScenario {
  static let progress = [
    ConformanceScenario(
      "BEGIN and IOEND while FSYNC waits for the disk", [.i38, .i59],
      both { subject, configuration in
        try subject.with(configuration) { try besideFsync($0) }
      }),
    ConformanceScenario("BEGIN beside SETATTR and FALLOCATE", [.i38]) { subject in
      try subject.with { try besideLayoutChanges($0) }
    },
    ConformanceScenario("all workers but one blocked", [.i78]) { subject in
      try subject.with { try starvation($0, subject.blockers) }
    },
    ConformanceScenario("a fragmented file", [.i79]) { subject in try fragments(subject) },
    ConformanceScenario("interrupts", [.i80]) { subject in
      try subject.with { try interrupts($0) }
    },
  ]

  /// What a request may take while the disk is slow, in milliseconds.
  private static func patience(_ kernel: SimulatedKernel) -> Int {
    kernel.configuration.deadline / 2
  }

  private static func expectReply(
    _ kernel: SimulatedKernel, _ rule: Rule, _ request: PendingRequest, _ what: String
  ) {
    let reply = request.wait(milliseconds: patience(kernel))
    kernel.rules.check(rule, reply != nil, "no reply to \(request.description) \(what)")
  }

  private static func beginRequest(
    _ kernel: SimulatedKernel, _ file: OpenFile, _ operation: OperationFlags, _ position: UInt64
  ) throws(Errno) -> PendingRequest {
    try kernel.connection.submit(
      .begin, node: file.node, kernel.encodeBegin(file.number, operation, position, 4096),
      kind: "begin probe")
  }

  private static func completionRequest(
    _ kernel: SimulatedKernel, _ file: OpenFile, _ position: UInt64
  ) throws(Errno) -> PendingRequest {
    let request = SimulatedKernel.CompletionRequest(
      flags: CompletionFlags.writeback | CompletionFlags.unwritten, position: position,
      written: 4096, error: nil, address: 0, device: 0)
    kernel.ledger.conversionBegins(file.inode, from: position, to: position + 4096)
    return try kernel.connection.submit(
      .ioend, node: file.node, kernel.encode(request, file.number), kind: "ioend probe")
  }

  /// A file with written blocks, then unwritten ones.
  private static func mixedFile(_ kernel: SimulatedKernel, _ name: String) throws -> OpenFile {
    let file = try kernel.makeFile(name, size: 64 << 10)
    try kernel.fallocate(file, mode: 0, at: 64 << 10, length: 64 << 10)
    try kernel.fsync(file)
    return file
  }

  private static func besideFsync(_ kernel: SimulatedKernel) throws {
    try kernel.withoutWriteback {
      let file = try mixedFile(kernel, "busy")
      try kernel.chmod(file.node, 0o600)
      kernel.holdFlushes()
      let fsync = try kernel.connection.submit(
        .fsync, node: file.node, kernel.encodeFsync(file))
      usleep(50_000)
      var begins: [PendingRequest] = []
      for operation: OperationFlags in [[], .report, .write, .writeback] {
        let request = try beginRequest(kernel, file, operation, 65_536)
        begins.append(request)
        expectReply(kernel, .i38, request, "while FSYNC waits for a flush")
      }
      let completion = try completionRequest(kernel, file, 65_536)
      expectReply(kernel, .i59, completion, "while FSYNC waits for a flush")
      kernel.releaseFlushes()
      for request in begins + [completion, fsync] { _ = try kernel.connection.wait(for: request) }
      try kernel.dropMappingCache(file.node)
      kernel.ledger.conversionEnded(file.inode, from: 65_536, to: 69_632, isDone: true)
      try kernel.checkAgainstDisk()
      try kernel.close(file)
    }
  }

  /// All at once; then the new state must be seen.
  private static func besideLayoutChanges(_ kernel: SimulatedKernel) throws {
    let file = try mixedFile(kernel, "layout")
    try kernel.withoutWriteback {
      for round in 0..<10 {
        var pending: [PendingRequest] = []
        let size = UInt64(131_072 - 4096 * round)
        kernel.ledger.layoutChangeBegins(file.inode, from: 0, to: .max)
        kernel.ledger.releaseBegins(file.inode, from: 0, to: .max)
        file.inode.monitor.withLock { file.inode.sizeEpoch += 1 }
        pending.append(
          try kernel.connection.submit(
            .setattr, node: file.node, SimulatedKernel.SetAttributes(size: size).encode()))
        for index in 0..<8 {
          pending.append(
            try beginRequest(kernel, file, index % 2 == 0 ? [] : .report, UInt64(index) * 8192))
        }
        for request in pending { expectReply(kernel, .i38, request, "beside SETATTR") }
        kernel.ledger.layoutChangeEnded(file.inode, from: 0, to: .max)
        file.inode.monitor.withLock {
          file.inode.sizeEpoch += 1
          (file.inode.size, file.inode.diskSize) = (size, size)
          file.inode.expectedDiskSize = size
          file.inode.dropMappings(
            from: roundDown(size, kernel.blockSize),
            to: roundUp(kernel.session.maximumBytes, kernel.blockSize),
            maximum: kernel.session.maximumBytes)
        }
        let answer = kernel.probe(file.inode, .report, at: roundUp(size, 4096), count: 4096)
        kernel.rules.check(
          .i38, answer.mapping.map { $0.target.type == MappingType.hole } ?? true,
          "after a truncation to \(size) there are blocks behind it")
      }
    }
    kernel.truncatePages(file.inode, from: file.size, to: .max)
    try kernel.checkAgainstDisk()
    try kernel.close(file)
  }

  private static func starvation(_ kernel: SimulatedKernel, _ blockers: Int) throws {
    try kernel.withoutWriteback {
      let file = try mixedFile(kernel, "served")
      var blocked: [PendingRequest] = []
      var others: [OpenFile] = []
      for index in 0..<blockers {
        let other = try kernel.makeFile("o\(index)", size: 100)
        others.append(other)
      }
      kernel.holdFlushes()
      for (index, other) in others.enumerated() {
        var mode = SimulatedKernel.SetAttributes()
        mode.mode = 0o600 | UInt32(index % 8)
        blocked.append(
          try kernel.connection.submit(.setattr, node: other.node, mode.encode()))
        blocked.append(
          try kernel.connection.submit(.fsync, node: other.node, kernel.encodeFsync(other)))
      }
      usleep(200_000)
      for position: UInt64 in [0, 65_536] {
        expectReply(
          kernel, .i78, try beginRequest(kernel, file, [], position), "with workers blocked")
      }
      let completion = try completionRequest(kernel, file, 65_536)
      expectReply(kernel, .i78, completion, "with workers blocked")
      kernel.releaseFlushes()
      for request in blocked { _ = try kernel.connection.wait(for: request) }
      try kernel.dropMappingCache(file.node)
      kernel.ledger.conversionEnded(file.inode, from: 65_536, to: 69_632, isDone: true)
      for other in others {
        try kernel.getattr(other.node)
        try kernel.close(other)
      }
      try kernel.close(file)
    }
  }

  /// Resident memory of this process, in bytes.
  private static func residentBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
  }

  private static func fragments(_ subject: ScenarioSubject) throws {
    var fixture = ScenarioSubject.Fixture()
    fixture.blockSize = 1024
    fixture.size = UInt64(subject.fragments) * 1024 * 3 + (32 << 20)
    try subject.with(.init(), fixture) { kernel in
      let file = try kernel.create("fragments")
      let bytes = SeededGenerator.bytes(1024, seed: 1)
      for index in 0..<subject.fragments {
        try kernel.writeDirect(file, at: UInt64(index) * 2048, bytes)
      }
      try kernel.fsync(file)
      // Other tests may run in this process: a server that keeps something of each BEGIN grows every time.
      let growth = (0..<3).map { round in
        let before = residentBytes()
        for index in 0..<subject.fragments {
          let operation: OperationFlags = round == 1 ? .report : []
          kernel.probe(file.inode, operation, at: UInt64(index) * 2048, count: 1024)
        }
        return residentBytes() - before
      }
      let limit = subject.fragments * 512 + (8 << 20)
      kernel.rules.check(
        .i79, (growth.min() ?? 0) < limit,
        "memory grew by \(growth) bytes in three walks over \(subject.fragments) extents")
      try kernel.truncate(file.node, to: 0)
      try kernel.close(file)
    }
  }

  private static func interrupts(_ kernel: SimulatedKernel) throws {
    let file = try mixedFile(kernel, "interrupted")
    try kernel.withoutWriteback {
      for round in 0..<30 {
        var pending: [PendingRequest] = []
        pending.append(try beginRequest(kernel, file, [], UInt64(round) * 4096))
        pending.append(try completionRequest(kernel, file, 65_536))
        pending.append(
          try kernel.connection.submit(.fsync, node: file.node, kernel.encodeFsync(file)))
        for request in pending { try kernel.connection.interrupt(request) }
        for request in pending { _ = try kernel.connection.wait(for: request) }
      }
      // Second replies would come late.
      usleep(300_000)
      kernel.rules.exercise(.i80)
      try kernel.dropMappingCache(file.node)
      kernel.ledger.conversionEnded(file.inode, from: 65_536, to: 69_632, isDone: true)
      try kernel.checkAgainstDisk()
    }
    try kernel.close(file)
  }
}
