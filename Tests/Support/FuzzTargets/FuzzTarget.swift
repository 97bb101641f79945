import Corruption
import TestSupport

/// What a fuzzer feeds, by name. An input is judged by what happens: a trap, an error of the sanitizer, or `fail`.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// Opens a mutated image.
  case open
  /// Tours one: everything that can be asked of a file system.
  case tour
  /// Mutated logs: opening replays them.
  case recovery
  /// Only what directories and attributes are made of is mutated.
  case directory
  /// Requests to a session.
  case fuse
  /// Bytes of the iomap protocol.
  case iomap
  /// Bytes of the FUSE protocol.
  case `protocol`
  /// Disks with partition tables.
  case partitions

  /// Nanoseconds of the processor's time that an input may take.
  public static let timeLimit: UInt64 = 1_000_000_000

  /// Runs an input, which must not take long. Throws only where the environment fail.
  public func run(_ input: UnsafeRawBufferPointer) throws {
    let start = Tour.now
    try serve(input)
    let time = Tour.now - start
    if time > Self.timeLimit { FuzzFailure.fail("an input took \(time / 1_000_000) ms") }
  }

  private func serve(_ input: UnsafeRawBufferPointer) throws {
    switch self {
    case .open: try ImageFuzzing.run(input, .all) { _ = Tour.open($0.device()) }
    case .tour: try ImageFuzzing.tour(input, .all)
    case .recovery: try ImageFuzzing.tour(input, .logs)
    case .directory: try ImageFuzzing.tour(input, .directories)
    case .fuse: try SessionFuzzing.run(input)
    case .iomap: IomapFuzzing.run(input)
    case .protocol: ProtocolFuzzing.run(input)
    case .partitions: try PartitionFuzzing.run(input)
    }
  }
}

/// What must not be, and is no trap: how a fuzzer or a test hears of it.
public enum FuzzFailure {
  /// Ends the process. Tests that replay inputs get the sentence before.
  public static func fail(_ sentence: String) -> Never {
    print("FAILURE: \(sentence)")
    preconditionFailure(sentence)
  }
}
