import TestSupport

/// A way to bring a server into a situation that the rules of section 8 are about.
public struct ConformanceScenario: Sendable, CustomStringConvertible {
  public let name: String
  /// Those that it exercises, whatever the daemon does on the way there.
  public let rules: [Rule]
  public let run: @Sendable (ScenarioSubject) throws -> Void

  public var description: String { name }

  init(
    _ name: String, _ rules: [Rule], _ run: @escaping @Sendable (ScenarioSubject) throws -> Void
  ) {
    self.name = name
    self.rules = rules
    self.run = run
  }

  public static let all: [ConformanceScenario] =
    negotiation + attributes + mappings + notifications + completions + layouts + lifecycle
    + progress + crashes

  /// For both revisions.
  static func both(
    _ body: @escaping @Sendable (ScenarioSubject, SimulatedKernel.Configuration) throws -> Void
  ) -> @Sendable (ScenarioSubject) throws -> Void {
    { subject in
      for revision in Revision.allCases {
        var configuration = SimulatedKernel.Configuration()
        configuration.revision = revision
        try body(subject, configuration)
      }
    }
  }

  /// Text for the error of an operation that must fail.
  static func error(_ body: () throws -> Void) -> (any Error)? {
    do {
      try body()
      return nil
    } catch {
      return error
    }
  }
}

extension SimulatedKernel {
  /// A new file with some bytes that are on disk.
  func makeFile(_ name: String, size: Int, seed: UInt64 = 7) throws -> OpenFile {
    let file = try create(name)
    if size > 0 { try write(file, at: 0, SeededGenerator.bytes(size, seed: seed)) }
    try fsync(file)
    return file
  }

  /// Fails the run unless the file reads so, from the disk.
  func expect(_ file: OpenFile, _ bytes: [UInt8], at position: UInt64 = 0) throws {
    try dropPageCache(file.node)
    let read = try read(file, at: position, count: bytes.count)
    if read != bytes {
      let place = zip(read, bytes).enumerated().first { $0.element.0 != $0.element.1 }?.offset
      rules.fail(
        "inode \(file.number) differs at \(position + UInt64(place ?? read.count)),"
          + " \(read.count) bytes read")
    }
  }

  /// Writes, reads back, removes: a mount that works, in whatever mode.
  func exerciseFile(_ name: String) throws {
    let bytes = SeededGenerator.bytes(20_000, seed: 3)
    let file = try create(name)
    try write(file, at: 100, bytes)
    try fsync(file)
    if file.usesIomap { try dropPageCache(file.node) }
    let read = try read(file, at: 100, count: bytes.count)
    if read != bytes { rules.fail("\(name) does not read as written") }
    try close(file)
    let number = try lookup(name).attributes
    if number.size != 20_100 { rules.fail("\(name) has size \(number.size)") }
    try unlink(name)
  }
}
