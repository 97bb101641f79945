extension IomapWire.ConfigReply {
  /// What the kernel of `revision` makes of a reply. It may be short: what is missing is zero.
  public init(
    _ payload: UnsafeRawBufferPointer, _ revision: IomapRevision
  ) throws(IomapWire.ConfigFlaw) {
    guard payload.count <= revision.configReplyMaximumSize else { throw .tooLong }
    let flags = IomapWire.ConfigFlags(rawValue: payload.fieldOrZero(0))
    guard flags.isSubset(of: revision.configFlags) else { throw .unknownFlags }
    let uuidLength: UInt8 = payload.fieldOrZero(56)
    guard Int(uuidLength) <= IomapWire.VolumeUUID.size else { throw .longUUID }
    for offset in 57..<60 {
      let padding: UInt8 = payload.fieldOrZero(offset)
      guard padding == 0 else { throw .padding }
    }
    self.init()
    if flags.contains(.identifier) {
      var bytes: [UInt8] = []
      for index in 0..<Self.identifierSize {
        let byte: UInt8 = payload.fieldOrZero(8 + index)
        guard byte != 0 else { break }
        bytes.append(byte)
      }
      identifier = String(decoding: bytes, as: UTF8.self)
    }
    if flags.contains(.uuid) {
      uuid = IomapWire.VolumeUUID((0..<16).map { payload.fieldOrZero(40 + $0) as UInt8 })
    }
    if flags.contains(.blockSize) { blockSize = payload.fieldOrZero(60) }
    if flags.contains(.maximumLinks) { maximumLinks = payload.fieldOrZero(64) }
    if flags.contains(.time) {
      let least: Int64 = payload.fieldOrZero(72)
      let greatest: Int64 = payload.fieldOrZero(80)
      guard least <= greatest else { throw .timeRange }
      timeGranularity = payload.fieldOrZero(68)
      timeRange = least...greatest
    }
    if flags.contains(.maximumBytes) { maximumBytes = payload.fieldOrZero(88) }
    if flags.contains(.cacheMaximumBytes) { cacheMaximumBytes = payload.fieldOrZero(96) }
  }
}
