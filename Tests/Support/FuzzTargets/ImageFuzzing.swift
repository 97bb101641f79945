import Corruption
import Synchronization
import TestSupport

/// A change of a few bytes of an image's metadata, as the bytes of an input have it.
struct ImageMutation {
  /// Bytes of an input for each.
  static let size = 12

  /// What is changed: a field of a structure, or any bytes of a block with metadata.
  let isField: Bool
  let place: UInt16
  let offset: UInt16
  let width: Int
  let value: UInt64
  /// Added to what is there, rather than put in its place.
  let isAdded: Bool

  init(_ bytes: Slice<UnsafeRawBufferPointer>) {
    let raw = UnsafeRawBufferPointer(rebasing: bytes)
    isField = raw[0] & 1 == 0
    width = 1 << Int(raw[0] >> 1 & 3)
    isAdded = raw[0] & 8 != 0
    place = raw.loadUnaligned(fromByteOffset: 1, as: UInt16.self)
    // The upper half of the value is that of the offset, of which fields have no need.
    offset = raw.loadUnaligned(fromByteOffset: 3, as: UInt16.self)
    value = raw.loadUnaligned(fromByteOffset: 4, as: UInt64.self)
  }

  func apply(to bytes: ImageBytes, _ map: ImageMap, _ objects: [MetadataObject]) {
    var at: Int
    var size = width
    var isBigEndian = false
    if isField, !objects.isEmpty {
      let object = objects[Int(place) % objects.count]
      guard !object.fields.isEmpty else { return }
      let field = object.fields[Int(offset & 0xFF) % object.fields.count]
      at = object.offset + field.offset
      size = field.size
      isBigEndian = field.isBigEndian
    } else {
      guard !map.blocks.isEmpty else { return }
      at = map.blocks[Int(place) % map.blocks.count] + Int(offset) % map.blockSize
    }
    at = min(at, bytes.count - size)
    let old = bytes.number(at: at, size: size, isBigEndian: isBigEndian)
    bytes.set(
      isAdded ? old &+ value : value, at: at, size: size, isBigEndian: isBigEndian)
  }
}

/// Mutates small sound images as an input says, puts their checksums right, and does something with them.
///
/// The first byte of an input chooses the image and whether checksums stay wrong, the second the course of the tour; mutations follow.
enum ImageFuzzing {
  /// What is mutated.
  enum Selection {
    case all, logs, directories

    func includes(_ kind: MetadataKind) -> Bool {
      switch self {
      case .all: true
      case .logs: kind.rawValue.hasPrefix("journal") || kind == .superblock
      case .directories:
        switch kind {
        case .directoryEntry, .directoryTail, .hashTreeRoot, .hashTreeNode, .hashTreeTail,
          .inlineDirectory, .attributeBlock, .attributeEntry, .bodyAttribute:
          true
        default: false
        }
      }
    }

    func includes(_ image: BaseImage) -> Bool {
      self != .logs || image.name.hasPrefix("log")
    }
  }

  private struct Environment: @unchecked Sendable {
    let images: [BaseImage]
    let disk: HostileDisk

    init() throws {
      images = try BaseImage.all()
      disk = try HostileDisk(capacity: images.map(\.contents.count).max() ?? 0)
    }
  }

  /// One thread at a time uses the disk.
  private static let environment = Mutex(Result { try Environment() })

  static func run(
    _ input: UnsafeRawBufferPointer, _ selection: Selection, _ body: (HostileDisk) -> Void
  ) throws {
    guard input.count >= 2 else { return }
    try environment.withLock { environment in
      let all = try environment.get()
      let images = all.images.filter(selection.includes)
      let base = images[Int(input[0] & 0x7F) % images.count]
      try all.disk.load(base.contents)
      let objects = base.map.objects.filter { selection.includes($0.kind) }
      var start = 2
      while start + ImageMutation.size <= input.count {
        ImageMutation(input[start..<start + ImageMutation.size])
          .apply(to: all.disk.bytes, base.map, objects)
        start += ImageMutation.size
      }
      if input[0] & 0x80 == 0 { ChecksumRepair.repair(all.disk.bytes, base.map) }
      body(all.disk)
    }
  }

  static func tour(_ input: UnsafeRawBufferPointer, _ selection: Selection) throws {
    try run(input, selection) { disk in
      let courses = Tour.Course.allCases
      let tour = DiskTour(courses[Int(input[1]) % courses.count], of: disk)
      if let violation = tour.violation { FuzzFailure.fail(violation) }
    }
  }
}
