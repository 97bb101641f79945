/// `struct fuse_iomap_io` (ABI 3.4.3): bytes of a file and where they are on a device.
struct WireMapping: Hashable, Sendable, CustomStringConvertible {
  var offset: UInt64
  var length: UInt64
  var address: UInt64
  var type: UInt16
  var flags: UInt16
  var device: UInt32

  /// The first byte behind it.
  var end: UInt64 { offset &+ length }
  var hasBlocks: Bool { type == MappingType.mapped || type == MappingType.unwritten }

  func covers(_ position: UInt64) -> Bool { position >= offset && position - offset < length }

  /// Where `position`, which it covers, is on the device.
  func deviceOffset(of position: UInt64) -> UInt64 { address + (position - offset) }

  /// The part between two positions inside it.
  func part(from start: UInt64, to end: UInt64) -> WireMapping {
    var part = self
    part.offset = start
    part.length = end - start
    if address != Special.nullAddress { part.address = address + (start - offset) }
    return part
  }

  /// Whether `next` continues it, in the file and on the device (5.3 d).
  func merges(with next: WireMapping) -> Bool {
    guard end == next.offset, type == next.type, flags == next.flags, device == next.device else {
      return false
    }
    return address == Special.nullAddress
      ? next.address == Special.nullAddress : address + length == next.address
  }

  static func hole(at offset: UInt64, length: UInt64) -> WireMapping {
    WireMapping(
      offset: offset, length: length, address: Special.nullAddress, type: MappingType.hole,
      flags: 0, device: 0)
  }

  var description: String {
    let kinds: [UInt16: String] = [
      0: "hole", 1: "delalloc", 2: "mapped", 3: "unwritten", 4: "inline", 253: "nocache",
      254: "retry", 255: "pure overwrite",
    ]
    let kind = kinds[type] ?? "type \(type)"
    let at = address == Special.nullAddress ? "" : " at \(hex(address))"
    let more = flags == 0 ? "" : " flags \(hex(flags))"
    return "[\(hex(offset)) +\(hex(length)) \(kind)\(at)\(more) dev \(device)]"
  }
}

func hex(_ value: some BinaryInteger) -> String { "0x" + String(value, radix: 16) }

func roundDown(_ value: UInt64, _ unit: UInt64) -> UInt64 { value - value % unit }

/// Stays below 2^64.
func roundUp(_ value: UInt64, _ unit: UInt64) -> UInt64 {
  let rest = value % unit
  guard rest != 0 else { return value }
  let (sum, overflow) = value.addingReportingOverflow(unit - rest)
  return overflow ? roundDown(UInt64.max, unit) : sum
}
