import FuseProtocol

/// What was asked for by requests of one operation since the mount began, and what it took. Times are in nanoseconds.
public struct OperationStatistics: Sendable, Equatable {
  /// The word of the protocol, such as LOOKUP; UNKNOWN for all that have none.
  public let name: String
  /// Of the time between the request's arrival and its reply.
  public var latency = LatencyHistogram()
  /// All latencies together.
  public var time: UInt64 = 0
  public var longest: UInt64 = 0
  /// Requests that were answered with an error.
  public var errors: UInt64 = 0
  /// Of files or directories that were read, written or copied.
  public var bytes: UInt64 = 0
  /// Parts of `time` in which threads waited for locks, and for the device.
  public var lockTime: UInt64 = 0
  public var deviceTime: UInt64 = 0

  public init(name: String) { self.name = name }

  public var count: UInt64 { latency.total }

  /// What a share (0...1) of the requests did not exceed.
  public func quantile(_ share: Double) -> UInt64 {
    min(latency.quantile(share) ?? longest, longest)
  }
}

/// Where the counts of an operation are.
struct OperationRow: Sendable, Equatable {
  static let count = 64
  /// FREEZE, the first of iomap's operations, which are the last ones of the protocol.
  private static let firstOfIomap: UInt32 = 4089
  private static let firstRowOfIomap = 56

  let index: Int

  /// Row 0 is for unknown operations.
  @inline(__always)
  init(rawOpcode: UInt32) {
    if rawOpcode < Self.firstRowOfIomap {
      index = Int(rawOpcode)
    } else if rawOpcode >= Self.firstOfIomap, rawOpcode < Self.firstOfIomap + 7 {
      index = Self.firstRowOfIomap + Int(rawOpcode - Self.firstOfIomap)
    } else {
      index = 0
    }
  }

  init(_ opcode: Opcode) { self.init(rawOpcode: opcode.rawValue) }

  /// By index.
  static let names: [String] = {
    var names = [String](repeating: "UNKNOWN", count: count)
    for opcode in Opcode.allCases { names[OperationRow(opcode).index] = opcode.name }
    return names
  }()

  private static func mask(_ opcodes: Opcode...) -> UInt64 {
    opcodes.reduce(0) { $0 | 1 << UInt64(OperationRow($1).index) }
  }

  /// Their replies consist of the data that was asked for.
  static let readers = mask(.read, .readdir, .readdirplus)
  /// Their replies begin with the number of bytes.
  static let writers = mask(.write, .copyFileRange, .copyFileRange64)
  static let wideWriters = mask(.copyFileRange64)
}
