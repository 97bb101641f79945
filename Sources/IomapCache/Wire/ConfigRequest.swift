extension IomapWire {
  /// `fuse_iomap_config_in`: "what is your geometry?" (fuse-iomap ABI 3.4.7, 4.2)
  public struct ConfigRequest: Payload {
    public static var size: Int { 64 }

    /// What the kernel understands. Kept whole, because `IomapRevision.detect` looks at bits that have no name.
    public var flags: ConfigFlags
    /// The largest file that the kernel can have, in bytes.
    public var maximumBytes: Int64
    /// The kernel's limit for the cached mappings of a fork, in bytes; nil in v6.
    public var cacheMaximumBytes: UInt32?

    @inlinable
    public init(flags: ConfigFlags, maximumBytes: Int64, cacheMaximumBytes: UInt32? = nil) {
      self.flags = flags
      self.maximumBytes = maximumBytes
      self.cacheMaximumBytes = cacheMaximumBytes
    }

    public init?(_ payload: UnsafeRawBufferPointer) {
      guard payload.count >= Self.size else { return nil }
      flags = ConfigFlags(rawValue: payload.field(0))
      maximumBytes = payload.field(8)
      cacheMaximumBytes = flags.contains(.cacheMaximumBytes) ? payload.field(16) : nil
    }

    public func encode(into buffer: UnsafeMutableRawBufferPointer) {
      buffer.clear(Self.size)
      buffer.put(flags.rawValue, at: 0)
      buffer.put(maximumBytes, at: 8)
      if let cacheMaximumBytes { buffer.put(cacheMaximumBytes, at: 16) }
    }

    /// The revision of the kernel that asks; nil for one that is not known.
    public var revision: IomapRevision? { .detect(configFlags: flags.rawValue) }
  }
}
