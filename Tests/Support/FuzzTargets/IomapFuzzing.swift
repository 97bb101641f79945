import IomapCache

/// All decoders of the iomap protocol, each on the same bytes; what can be read can be written, and reads the same.
enum IomapFuzzing {
  static func run(_ input: UnsafeRawBufferPointer) {
    // A copy of exactly its size: what is read behind its end is found.
    let copy = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(input.count, 1), alignment: 8)
    defer { copy.deallocate() }
    copy.copyMemory(from: input)
    let bytes = UnsafeRawBufferPointer(rebasing: copy[..<input.count])
    decodeRequests(bytes)
    decodeReplies(bytes)
    decodeMappings(bytes)
  }

  private static func decodeRequests(_ bytes: UnsafeRawBufferPointer) {
    _ = IomapWire.InHeader(bytes)
    _ = IomapWire.ShutdownRequest(bytes)
    _ = IomapWire.FreezeRequest(bytes)
    if let request = IomapWire.ConfigRequest(bytes) {
      _ = IomapRevision.detect(configFlags: request.flags.rawValue)
    }
    _ = IomapWire.BeginRequest(bytes)
    _ = IomapWire.EndRequest(bytes)
    for revision in IomapRevision.allCases { _ = IomapWire.IOEndRequest(bytes, revision) }
  }

  private static func decodeReplies(_ bytes: UnsafeRawBufferPointer) {
    _ = IomapWire.OutHeader(bytes)
    _ = IomapWire.BeginReply(bytes)
    _ = IomapWire.Support(bytes)
    _ = IomapWire.BackingInfo(bytes)
    _ = IomapWire.BackingMap(bytes)
    _ = IomapWire.VolumeUUID(bytes)
    _ = IomapWire.UpsertNotification(bytes)
    _ = IomapWire.InvalidationNotification(bytes)
    _ = IomapWire.DeviceInvalidationNotification(bytes)
    for revision in IomapRevision.allCases { _ = IomapWire.IOEndReply(bytes, revision) }
  }

  private static func decodeMappings(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= IomapWire.MappingRecord.size else { return }
    _ = IomapWire.MappingRecord.decode(bytes)
  }
}
