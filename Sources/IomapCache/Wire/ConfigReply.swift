extension IomapWire {
  /// `fuse_iomap_config_out`: the geometry (fuse-iomap ABI 3.4.7, 4.2). What is nil keeps the kernel's default.
  public struct ConfigReply: Hashable, Sendable {
    /// `s_id`: at most 31 bytes of UTF-8 are sent, and what comes before a NUL.
    public var identifier: String?
    public var uuid: VolumeUUID?
    /// In bytes; a power of two. To be sent always: every mapping is checked against it.
    public var blockSize: UInt32?
    public var maximumLinks: UInt32?
    /// In nanoseconds, 1...1,000,000,000. Sent together with `timeRange`, or not at all.
    public var timeGranularity: UInt32?
    /// Of the times that can be stored, in seconds since 1970.
    public var timeRange: ClosedRange<Int64>?
    /// The largest file, in bytes. To be sent always: it keeps an overflow in the kernel away (fuse-iomap
    /// ABI 10).
    public var maximumBytes: Int64?
    /// The limit for the cached mappings of a fork, in bytes; the kernel takes 256...2 MiB. For v7 only.
    public var cacheMaximumBytes: UInt32?

    public init(
      identifier: String? = nil, uuid: VolumeUUID? = nil, blockSize: UInt32? = nil,
      maximumLinks: UInt32? = nil, timeGranularity: UInt32? = nil,
      timeRange: ClosedRange<Int64>? = nil, maximumBytes: Int64? = nil,
      cacheMaximumBytes: UInt32? = nil
    ) {
      self.identifier = identifier
      self.uuid = uuid
      self.blockSize = blockSize
      self.maximumLinks = maximumLinks
      self.timeGranularity = timeGranularity
      self.timeRange = timeRange
      self.maximumBytes = maximumBytes
      self.cacheMaximumBytes = cacheMaximumBytes
    }

    /// The fields that are set.
    public var flags: ConfigFlags {
      var flags: ConfigFlags = []
      if identifier != nil { flags.insert(.identifier) }
      if uuid != nil { flags.insert(.uuid) }
      if blockSize != nil { flags.insert(.blockSize) }
      if maximumLinks != nil { flags.insert(.maximumLinks) }
      if timeGranularity != nil, timeRange != nil { flags.insert(.time) }
      if maximumBytes != nil { flags.insert(.maximumBytes) }
      if cacheMaximumBytes != nil { flags.insert(.cacheMaximumBytes) }
      return flags
    }

    /// 104 bytes with `cacheMaximumBytes`, and otherwise the 96 that both revisions take.
    public var size: Int { cacheMaximumBytes == nil ? 96 : 104 }

    /// The reply without the fields that the kernel did not offer: it would refuse the mount (fuse-iomap
    /// ABI 4.2).
    public func restricted(to offered: ConfigFlags) -> ConfigReply {
      var reply = self
      if !offered.contains(.identifier) { reply.identifier = nil }
      if !offered.contains(.uuid) { reply.uuid = nil }
      if !offered.contains(.blockSize) { reply.blockSize = nil }
      if !offered.contains(.maximumLinks) { reply.maximumLinks = nil }
      if !offered.contains(.time) {
        reply.timeGranularity = nil
        reply.timeRange = nil
      }
      if !offered.contains(.maximumBytes) { reply.maximumBytes = nil }
      if !offered.contains(.cacheMaximumBytes) { reply.cacheMaximumBytes = nil }
      return reply
    }

    /// Writes the first `size` bytes of `buffer`. Returns how many.
    @discardableResult
    public func encode(into buffer: UnsafeMutableRawBufferPointer) -> Int {
      buffer.clear(size)
      buffer.put(flags.rawValue, at: 0)
      if let identifier {
        for (index, byte) in identifier.utf8.prefix(Self.identifierSize - 1).prefix(while: {
          $0 != 0
        }).enumerated() {
          buffer.put(byte, at: 8 + index)
        }
      }
      if let uuid {
        uuid.encode(into: buffer, at: 40)
        buffer.put(UInt8(VolumeUUID.size), at: 56)
      }
      if let blockSize { buffer.put(blockSize, at: 60) }
      if let maximumLinks { buffer.put(maximumLinks, at: 64) }
      if let timeGranularity, let timeRange {
        buffer.put(timeGranularity, at: 68)
        buffer.put(timeRange.lowerBound, at: 72)
        buffer.put(timeRange.upperBound, at: 80)
      }
      if let maximumBytes { buffer.put(maximumBytes, at: 88) }
      if let cacheMaximumBytes { buffer.put(cacheMaximumBytes, at: 96) }
      return size
    }

    static var identifierSize: Int { 32 }
  }
}
