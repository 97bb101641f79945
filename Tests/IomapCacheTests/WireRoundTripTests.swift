import IomapCache
import TestSupport
import Testing

/// Random values through the wire and back, and random bytes into every decoder.
@Suite struct WireRoundTripTests {
  private func check<P: IomapWire.Payload>(_ payload: P) -> Bool {
    payload.withBytes { P($0) } == payload
  }

  private func number(_ random: inout SeededGenerator) -> UInt64 {
    random.next() >> UInt64(random.number(0..<64))
  }

  private func mapping(_ random: inout SeededGenerator) -> Mapping {
    Mapping(
      offset: FileOffset(number(&random)), length: number(&random),
      address: DeviceOffset(number(&random)), kind: random.pick(Mapping.Kind.allCases),
      flags: Mapping.Flags(rawValue: UInt16(truncatingIfNeeded: random.next())),
      device: DeviceCookie(rawValue: UInt32(truncatingIfNeeded: random.next())))
  }

  private func range(_ random: inout SeededGenerator) -> InvalidationRange? {
    random.oneIn(3)
      ? nil : InvalidationRange(offset: FileOffset(number(&random)), length: number(&random) | 1)
  }

  @Test func everythingComesBack() {
    var random = SeededGenerator(seed: 51)
    for _ in 0..<5000 {
      let node = IomapNode(nodeID: random.next(), attributeInode: random.next())
      let operation = IomapWire.Operation(rawValue: UInt32(truncatingIfNeeded: random.next()))
      let (read, write) = (mapping(&random), mapping(&random))
      let allRight =
        check(
          IomapWire.BeginRequest(
            operation: operation, attributeInode: random.next(), position: random.next(),
            count: random.next()))
        && check(IomapWire.BeginReply(MappingPair(read: read, write: write)))
        && check(
          IomapWire.EndRequest(
            operation: operation, attributeInode: random.next(), position: random.next(),
            count: random.next(), written: Int64(truncatingIfNeeded: random.next()), mapping: read))
        && check(IomapWire.UpsertNotification(node: node, read: read, write: write))
        && check(
          IomapWire.InvalidationNotification(
            node: node, read: range(&random), write: range(&random)))
        && check(
          IomapWire.DeviceInvalidationNotification(
            device: read.device, offset: read.address, length: random.next()))
      #expect(allRight)
    }
  }

  @Test func completionsComeBackInBothRevisions() {
    var random = SeededGenerator(seed: 52)
    for _ in 0..<5000 {
      for revision in IomapRevision.allCases {
        let ioEnd = IomapWire.IOEndRequest(
          flags: IomapWire.IOEndFlags(rawValue: UInt32(truncatingIfNeeded: random.next())),
          error: Int32(truncatingIfNeeded: random.next()), attributeInode: random.next(),
          position: random.next(), newAddress: random.next(),
          written: revision == .v6 ? random.next() >> 32 : random.next(),
          device: revision == .v6
            ? .none : DeviceCookie(rawValue: UInt32(truncatingIfNeeded: random.next())))
        let bytes = encoded(revision.ioEndRequestSize) { ioEnd.encode(into: $0, for: revision) }
        #expect(bytes.withUnsafeBytes { IomapWire.IOEndRequest($0, revision) } == ioEnd)
      }
    }
  }

  /// Nothing that a stranger sends traps, and what is decoded from all 64 bytes can be encoded again.
  @Test func randomBytesDoNotTrap() {
    func decode<P: IomapWire.Payload>(_ type: P.Type, _ bytes: UnsafeRawBufferPointer) {
      guard let payload = P(bytes) else { return }
      #expect(payload.withBytes { P($0) } == payload)
    }
    var random = SeededGenerator(seed: 53)
    for step in 0..<5000 {
      let bytes = SeededGenerator.bytes(random.number(0..<128), seed: UInt64(step))
      bytes.withUnsafeBytes {
        decode(IomapWire.InHeader.self, $0)
        decode(IomapWire.OutHeader.self, $0)
        decode(IomapWire.BeginRequest.self, $0)
        decode(IomapWire.BeginReply.self, $0)
        decode(IomapWire.EndRequest.self, $0)
        decode(IomapWire.ConfigRequest.self, $0)
        decode(IomapWire.UpsertNotification.self, $0)
        decode(IomapWire.InvalidationNotification.self, $0)
        decode(IomapWire.DeviceInvalidationNotification.self, $0)
        decode(IomapWire.BackingMap.self, $0)
        for revision in IomapRevision.allCases {
          _ = IomapWire.IOEndRequest($0, revision)
          _ = try? IomapWire.ConfigReply($0, revision)
        }
      }
    }
  }

  /// Mappings that make no sense reach a cache and its neighbours unharmed.
  @Test func randomMappingsDoNotTrap() {
    var random = SeededGenerator(seed: 54)
    var cache = MappingCache()
    for step in 0..<5000 {
      let mapping = mapping(&random)
      _ = mapping.end
      if mapping.covers(mapping.offset) {
        _ = mapping.address(of: mapping.offset + (mapping.length - 1) / 2)
      }
      cache.upsert(mapping)
      if random.oneIn(4) { cache.invalidate(from: mapping.offset, to: mapping.end) }
      if step % 100 == 0 { #expect(cache.structuralFlaw == nil) }
    }
  }
}
