/// What a journal's blocks look like, and what its log may hold (JBD2_FEATURE_* in include/linux/jbd2.h).
public struct JournalFeatures: Sendable, Equatable {
  public struct Compatible: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// Commit records hold a checksum over their transaction (v1).
    public static let checksum = Self(rawValue: 0x01)
  }

  public struct Incompatible: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// There may be revoke records.
    public static let revoke = Self(rawValue: 0x01)
    /// Block numbers have 64 bits.
    public static let wideBlockNumbers = Self(rawValue: 0x02)
    /// A commit record may be on disk before the blocks that it commits.
    public static let asyncCommit = Self(rawValue: 0x04)
    /// Every block of the log has a checksum, of which tags have room for 16 bits.
    public static let checksumV2 = Self(rawValue: 0x08)
    /// The same with all 32 bits.
    public static let checksumV3 = Self(rawValue: 0x10)
    /// Blocks at the journal's end hold small changes on top of the last transaction.
    public static let fastCommit = Self(rawValue: 0x20)

    public static let known: Self = [
      .revoke, .wideBlockNumbers, .asyncCommit, .checksumV2, .checksumV3, .fastCommit,
    ]
  }

  public var compatible: Compatible = []
  public var incompatible: Incompatible = []
  public var readOnlyCompatible: UInt32 = 0

  public init(
    compatible: Compatible = [], incompatible: Incompatible = [], readOnlyCompatible: UInt32 = 0
  ) {
    self.compatible = compatible
    self.incompatible = incompatible
    self.readOnlyCompatible = readOnlyCompatible
  }

  public func contains(_ features: Incompatible) -> Bool { incompatible.isSuperset(of: features) }

  public var checksum: JournalChecksum {
    if incompatible.contains(.checksumV3) { return .v3 }
    if incompatible.contains(.checksumV2) { return .v2 }
    return compatible.contains(.checksum) ? .v1 : .none
  }

  /// More than one of the kinds of checksums, of which a journal has at most one.
  public var hasContradictoryChecksums: Bool {
    incompatible.isSuperset(of: [.checksumV2, .checksumV3])
      || !incompatible.isDisjoint(with: [.checksumV2, .checksumV3])
        && compatible.contains(.checksum)
  }

  /// Names of the features without which the journal must not be touched.
  public var unsupported: [String] {
    let incompatible = incompatible.subtracting(.known).rawValue
    return (0..<32).compactMap { bit -> String? in
      if incompatible >> bit & 1 != 0 { return "FEATURE_I\(bit)" }
      return readOnlyCompatible >> bit & 1 != 0 ? "FEATURE_R\(bit)" : nil
    }
  }
}

/// How a journal is protected against blocks that did not reach the disk as they were meant to.
public enum JournalChecksum: Sendable {
  case none
  /// The commit record has a CRC-32 over the transaction's descriptors and blocks.
  case v1
  /// Each block has a CRC-32C: those of the log itself within, those that go home in their tag.
  case v2, v3

  public var coversBlocks: Bool { self == .v2 || self == .v3 }
}
