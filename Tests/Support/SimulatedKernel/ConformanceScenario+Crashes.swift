import Foundation
import SystemPackage
import TestSupport

extension ConformanceScenario {
  static let crashes = [
    ConformanceScenario(
      "power cuts", [.i72, .i73],
      both { subject, configuration in
        var configuration = configuration
        configuration.recordsUnflushedWrites = true
        configuration.cacheMaximumBytes = 8192
        try CrashRun(subject, configuration).run()
      })
  ]
}

/// Files whose every block says what it is, a power cut at random moments, and what is found after it.
private final class CrashRun {
  private struct Known {
    /// Of the contents: each block is from a version between these.
    var synchronized = 0
    var written = 0
    var synchronizedBlocks = 0
    var largest = 0
  }

  private let subject: ScenarioSubject
  private let configuration: SimulatedKernel.Configuration
  private var random = SeededGenerator(seed: 77)
  private var known: [Int: Known] = [:]
  private static let blockBytes = 4096
  private static let magic: UInt64 = 0x6372_6173_6862_6c6b

  init(_ subject: ScenarioSubject, _ configuration: SimulatedKernel.Configuration) {
    self.subject = subject
    self.configuration = configuration
  }

  func run() throws {
    var fixture = ScenarioSubject.Fixture()
    fixture.size = 16 << 20
    let image = try subject.makeImage(fixture)
    try subject.with(configuration, image: image) { kernel in
      try leaveTraces(kernel)
      var files: [Int: OpenFile] = [:]
      for step in 0..<300 {
        try operate(kernel, &files)
        if step % 25 == 24 { try crash(kernel) }
      }
      for file in files.values { try kernel.close(file) }
    }
  }

  /// Free blocks that hold what no file must ever show.
  private func leaveTraces(_ kernel: SimulatedKernel) throws {
    let file = try kernel.create("filler")
    let count = Int(kernel.device.size) / 2 / Self.blockBytes
    for index in 0..<count {
      let bytes = Self.block(file: 99, index: index, version: 1)
      try kernel.write(file, at: UInt64(index * Self.blockBytes), bytes)
    }
    try kernel.close(file)
    try kernel.unlink("filler")
    try kernel.evict(file.node)
    try kernel.syncfs()
  }

  /// Eight words that say what they are, again and again.
  private static func block(file: Int, index: Int, version: Int) -> [UInt8] {
    var writer = MessageWriter(capacity: blockBytes)
    for _ in 0..<(blockBytes / 32) {
      writer.append(magic)
      writer.append(UInt64(file))
      writer.append(UInt64(index))
      writer.append(UInt64(version))
    }
    return writer.bytes
  }

  private func operate(_ kernel: SimulatedKernel, _ files: inout [Int: OpenFile]) throws {
    let number = random.number(0..<6)
    guard let file = files[number] else {
      files[number] = try kernel.create("crash\(number)-\(known.count)")
      known[number] = Known()
      return
    }
    switch random.number(0..<10) {
    case 0..<5: try write(kernel, file, number)
    case 5..<7: try synchronize(kernel, file, number)
    case 7:
      let blocks = random.number(0..<16)
      try kernel.truncate(file.node, to: UInt64(blocks * Self.blockBytes))
      known[number]?.synchronizedBlocks = 0
      grow(number, blocks * Self.blockBytes)
    case 8:
      try kernel.syncfs()
    default: try kernel.dropPageCache(file.node)
    }
  }

  private func write(_ kernel: SimulatedKernel, _ file: OpenFile, _ number: Int) throws {
    let version = (known[number]?.written ?? 0) + 1
    known[number]?.written = version
    let first = random.number(0..<32)
    var bytes: [UInt8] = []
    for index in first..<(first + random.number(1..<17)) {
      bytes += Self.block(file: number, index: index, version: version)
    }
    if random.oneIn(3) {
      try kernel.writeDirect(file, at: UInt64(first * Self.blockBytes), bytes)
    } else {
      try kernel.write(file, at: UInt64(first * Self.blockBytes), bytes)
    }
    grow(number, first * Self.blockBytes + bytes.count)
  }

  private func grow(_ number: Int, _ size: Int) {
    let largest = known[number]?.largest ?? 0
    known[number]?.largest = max(largest, size)
  }

  /// After fsync the first blocks must survive as they are or newer.
  private func synchronize(_ kernel: SimulatedKernel, _ file: OpenFile, _ number: Int) throws {
    let version = (known[number]?.written ?? 0) + 1
    var bytes: [UInt8] = []
    for index in 0..<8 { bytes += Self.block(file: number, index: index, version: version) }
    try kernel.write(file, at: 0, bytes)
    try kernel.fsync(file, dataOnly: random.oneIn(2))
    known[number]?.written = version
    known[number]?.synchronized = version
    known[number]?.synchronizedBlocks = 8
    grow(number, bytes.count)
    kernel.rules.exercise(.i72)
  }

  private func crash(_ kernel: SimulatedKernel) throws {
    for luck in [0.0, 0.5, 1.0] {
      let copy = FilePath("\(kernel.image)-crash")
      var random = random
      try kernel.withoutWriteback {
        try kernel.crashImage(to: copy) { _ in
          Double.random(in: 0..<1, using: &random) < luck
        }
      }
      defer { try? FileManager.default.removeItem(atPath: copy.string) }
      var plain = SimulatedKernel.Configuration()
      plain.revision = configuration.revision
      try subject.with(plain, image: copy) { try judge($0) }
    }
  }

  private func judge(_ kernel: SimulatedKernel) throws {
    for entry in try kernel.readdirplus() where entry.name.hasPrefix("crash") {
      guard let node = entry.node,
        let number = Int(entry.name.dropFirst(5).prefix { $0 != "-" })
      else { continue }
      let file = try kernel.open(node)
      try judge(kernel, file, number)
      try kernel.close(file)
    }
  }

  private func judge(_ kernel: SimulatedKernel, _ file: OpenFile, _ number: Int) throws {
    guard let known = known[number] else { return }
    kernel.rules.check(
      .i73, file.size <= UInt64(known.largest),
      "file \(number) has \(file.size) bytes after a power cut, never had more than \(known.largest)"
    )
    let bytes = try kernel.read(file, at: 0, count: Int(file.size))
    kernel.rules.exercise(.i72)
    for start in stride(from: 0, to: bytes.count, by: 32) where start + 32 <= bytes.count {
      let index = start / Self.blockBytes
      let words = bytes.read { reader in (0..<4).map { reader.u64(start + $0 * 8) } }
      if words.allSatisfy({ $0 == 0 }) {
        if index < known.synchronizedBlocks {
          kernel.rules.violate(.i72, "block \(index) of file \(number) is lost after fsync")
          return
        }
        continue
      }
      guard words[0] == Self.magic, words[1] == UInt64(number), words[2] == UInt64(index),
        words[3] <= UInt64(known.written)
      else {
        kernel.rules.violate(
          .i73, "block \(index) of file \(number) holds foreign data after a power cut: \(words)")
        return
      }
      if index < known.synchronizedBlocks && words[3] < UInt64(known.synchronized) {
        kernel.rules.violate(
          .i72, "block \(index) of file \(number) is older than its fsync after a power cut")
        return
      }
    }
    if file.size < UInt64(known.synchronizedBlocks * Self.blockBytes) {
      kernel.rules.violate(.i72, "file \(number) is shorter than at its fsync: \(file.size)")
    }
  }
}
