extension Reply {
  /// `struct fuse_init_out`, 64 bytes (FUSE_COMPAT_22_INIT_OUT_SIZE, 24, before 7.23; FUSE_COMPAT_INIT_OUT_SIZE, 8, before 7.5): to INIT.
  public struct Initialize: ReplyArguments {
    /// 7.
    public var major: UInt32
    /// What the server knows; the smaller of this and the kernel's holds.
    public var minor: UInt32
    /// Bytes. Since 7.6.
    public var maximumReadahead: UInt32
    /// What the server wants of what the kernel offers. Since 7.6.
    public var flags: InitFlags
    /// How many requests in the background the kernel sends at a time. Since 7.13.
    public var maximumBackground: UInt16
    /// From how many on they are too many. Since 7.13.
    public var congestionThreshold: UInt16
    /// Bytes of data in a WRITE; 4096 at least. Since 7.5.
    public var maximumWrite: UInt32
    /// What the server can tell times apart by, in nanoseconds: 1...1,000,000,000. Since 7.23.
    public var timeGranularity: UInt32
    /// Pages of 4 KiB in a request. Since 7.28, with MAX_PAGES.
    public var maximumPages: UInt16
    /// The binary logarithm of what SETUPMAPPING aligns to, in bytes. Since 7.31, with MAP_ALIGNMENT.
    public var mapAlignment: UInt16
    /// File systems that may lie on one another with PASSTHROUGH, 1 or 2. Since 7.40.
    public var maximumStackDepth: UInt32
    /// Seconds after which the kernel gives up a server that does not reply; 0 for never. Since 7.43, with REQUEST_TIMEOUT.
    public var requestTimeout: UInt16

    public init(
      major: UInt32 = 7, minor: UInt32 = NegotiatedProtocol.latestMinor, maximumReadahead: UInt32,
      flags: InitFlags, maximumBackground: UInt16, congestionThreshold: UInt16,
      maximumWrite: UInt32, timeGranularity: UInt32 = 1, maximumPages: UInt16 = 0,
      mapAlignment: UInt16 = 0, maximumStackDepth: UInt32 = 0, requestTimeout: UInt16 = 0
    ) {
      self.major = major
      self.minor = minor
      self.maximumReadahead = maximumReadahead
      self.flags = flags
      self.maximumBackground = maximumBackground
      self.congestionThreshold = congestionThreshold
      self.maximumWrite = maximumWrite
      self.timeGranularity = timeGranularity
      self.maximumPages = maximumPages
      self.mapAlignment = mapAlignment
      self.maximumStackDepth = maximumStackDepth
      self.requestTimeout = requestTimeout
    }

    @inlinable
    public static func size(at minor: UInt32) -> Int { minor < 5 ? 8 : minor < 23 ? 24 : 64 }

    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      let size = Self.size(at: minor)
      memory.clear(size)
      memory.put(major, at: 0)
      memory.put(self.minor, at: 4)
      guard size >= 24 else { return }
      memory.put(maximumReadahead, at: 8)
      memory.put(flags.low, at: 12)
      memory.put(maximumBackground, at: 16)
      memory.put(congestionThreshold, at: 18)
      memory.put(maximumWrite, at: 20)
      guard size >= 64 else { return }
      memory.put(timeGranularity, at: 24)
      memory.put(maximumPages, at: 28)
      memory.put(mapAlignment, at: 30)
      if flags.contains(.extended) { memory.put(flags.high, at: 32) }
      memory.put(maximumStackDepth, at: 36)
      memory.put(requestTimeout, at: 40)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      major = payload.field(0)
      self.minor = payload.field(4)
      maximumReadahead = payload.fieldOrZero(8)
      flags = InitFlags(flags: payload.fieldOrZero(12), flags2: payload.fieldOrZero(32))
      maximumBackground = payload.fieldOrZero(16)
      congestionThreshold = payload.fieldOrZero(18)
      maximumWrite = payload.fieldOrZero(20)
      timeGranularity = payload.fieldOrZero(24)
      maximumPages = payload.fieldOrZero(28)
      mapAlignment = payload.fieldOrZero(30)
      maximumStackDepth = payload.fieldOrZero(36)
      requestTimeout = payload.fieldOrZero(40)
    }
  }
}
