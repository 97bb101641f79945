import TestSupport

/// What becomes of a field.
public enum FieldMutation: UInt8, CaseIterable, Sendable {
  case zero, maximum, oneMore, oneLess, signBit, random

  public func apply(to value: UInt64, size: Int, seed: UInt64) -> UInt64 {
    let bits = UInt64(8 * size)
    let mask: UInt64 = bits == 64 ? .max : (1 << bits) - 1
    let changed: UInt64 =
      switch self {
      case .zero: 0
      case .maximum: .max
      case .oneMore: value &+ 1
      case .oneLess: value &- 1
      case .signBit: value ^ (1 << (bits - 1))
      case .random: Self.randomWord(seed)
      }
    return changed & mask
  }

  private static func randomWord(_ seed: UInt64) -> UInt64 {
    var generator = SeededGenerator(seed: seed)
    return generator.next()
  }
}

/// One field of one structure of one image, changed in one way.
public struct CorruptionCase: Sendable {
  public let image: Int
  public let object: Int
  public let field: Int
  public let mutation: FieldMutation
}

/// All changes of one field each, numbered: the same images give the same numbers.
public struct CorruptionPlan: Sendable {
  public let images: [BaseImage]
  public let cases: [CorruptionCase]

  public init(_ images: [BaseImage]) {
    self.images = images
    var cases: [CorruptionCase] = []
    for (image, base) in images.enumerated() {
      for (object, structure) in base.map.objects.enumerated() {
        for field in structure.fields.indices {
          for mutation in FieldMutation.allCases {
            cases.append(
              CorruptionCase(image: image, object: object, field: field, mutation: mutation))
          }
        }
      }
    }
    self.cases = cases
  }

  public func kind(_ number: Int) -> MetadataKind {
    images[cases[number].image].map.objects[cases[number].object].kind
  }

  public func describe(_ number: Int) -> String {
    let item = cases[number]
    let base = images[item.image]
    let object = base.map.objects[item.object]
    return
      "\(base.name): \(object.kind.rawValue) \(object.name), \(object.fields[item.field].name) "
      + "\(item.mutation)"
  }

  /// Makes the disk what case `number` is about. False when that changes nothing.
  public func load(_ number: Int, on disk: HostileDisk) throws -> Bool {
    let item = cases[number]
    let base = images[item.image]
    try disk.load(base.contents)
    let object = base.map.objects[item.object]
    let field = object.fields[item.field]
    let bytes = disk.bytes
    let place = object.offset + field.offset
    let old = bytes.number(at: place, size: field.size, isBigEndian: field.isBigEndian)
    let new = item.mutation.apply(to: old, size: field.size, seed: UInt64(number))
    guard new != old else { return false }
    func store() {
      bytes.set(new, at: place, size: field.size, isBigEndian: field.isBigEndian)
    }
    store()
    ChecksumRepair.repair(bytes, base.map)
    if field.isChecksum { store() }
    return true
  }
}
