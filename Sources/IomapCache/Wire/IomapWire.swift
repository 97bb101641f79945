/// The FUSE iomap extension on the wire, to the byte, in both directions and both revisions.
///
/// Numbers are of the host's byte order, structures naturally aligned (fuse-iomap ABI, "Revisions").
/// Decoders take the payload behind the header and give nil when it is too short. Encoders take a buffer of
/// at least the size that they name.
public enum IomapWire {
  /// The address of a mapping that has none (NULL_ADDR).
  public static let nullAddress = UInt64.max
  /// The length of an invalidation that has no end (INVAL_TO_EOF).
  public static let toEndOfFile = UInt64.max

  /// In `flags` of INIT and its reply: `flags2` counts (INIT_EXT, bit 30).
  public static let initFlagExtension: UInt32 = 1 << 30
  /// In `flags` of INIT's reply: must be clear beside iomap (ATOMIC_O_TRUNC, bit 3; fuse-iomap ABI 2.4).
  public static let initFlagAtomicTruncate: UInt32 = 1 << 3
  /// In `flags2` of INIT and its reply: iomap (FUSE_IOMAP, bit 43).
  public static let initFlags2Iomap: UInt32 = 0x800
  /// The protocol minor that has the extension: a placeholder until it is merged (fuse-iomap ABI 10).
  public static let protocolMinor: UInt32 = 99
}
