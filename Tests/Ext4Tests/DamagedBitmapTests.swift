import Foundation
import Glibc
import Journal
import TestSupport
import Testing

@testable import Ext4

/// Files are deleted and cut off where a bitmap cannot be trusted: what is theirs stays taken, and e2fsck -p puts that right.
@Suite struct DamagedBitmapTests {
  enum Bitmap: String, CaseIterable, CustomTestStringConvertible {
    case blocks, inodes, both

    var testDescription: String { rawValue }
  }

  struct Kind: Sendable, CustomTestStringConvertible {
    let bitmap: Bitmap
    let features: [String]

    var testDescription: String { "\(bitmap.rawValue), \(features.joined(separator: ","))" }
  }

  /// Without checksums nothing is wrong with a bitmap of inodes.
  static let kinds =
    Bitmap.allCases.flatMap { bitmap in
      [[], ["^has_journal"], ["^extents", "^64bit"]].map { Kind(bitmap: bitmap, features: $0) }
    } + [
      Kind(bitmap: .blocks, features: ["^metadata_csum"]),
      Kind(bitmap: .blocks, features: ["^metadata_csum", "^extents", "^64bit", "^has_journal"]),
    ]

  /// Files of 200,000 bytes, a to d, in one group, whose bitmaps then show that group's first blocks or inodes as free.
  private static func image(in scratch: Scratch, _ kind: Kind) throws -> Image {
    let tree = try scratch.directory("tree")
    for name in ["a", "b", "c", "d"] {
      try Data(repeating: 7, count: 200_000).write(
        to: URL(filePath: tree.appending(name).string))
    }
    let image = try Image(
      at: scratch.appending("image"), size: "16M", features: kind.features, tree: tree)
    try DirectoryFixture.open(image) { fixture in
      let volume = fixture.volume
      for (bitmap, isDamaged) in [
        (volume.descriptors.blockBitmap(of: 0), kind.bitmap != .inodes),
        (volume.descriptors.inodeBitmap(of: 0), kind.bitmap != .blocks),
      ] where isDamaged {
        let free = [UInt8](repeating: 0, count: 1)
        try free.withUnsafeBytes { try volume.device.write($0, at: bitmap.rawValue * 4096) }
      }
      volume.metadata.withLock { volume.discard() }
    }
    return image
  }

  @Test(arguments: kinds)
  func filesAreDeleted(_ kind: Kind) throws {
    try Scratch.with { scratch in
      let image = try Self.image(in: scratch, kind)
      try DirectoryFixture.open(image) { fixture in
        let volume = fixture.volume
        let root = try fixture.root
        let files = try ["a", "b", "c"].map { try fixture.open($0) }
        for name in ["a", "b", "c"] { try fixture.unlink(name, in: root) }
        try volume.synchronize()
        for file in files { try volume.forget(file.number, count: 1) }
        #expect(!volume.hasOrphans)
        let damage = volume.takeDamage()
        #expect(damage.contains { "\($0)".contains("bitmap is damaged") }, "\(damage)")
        try volume.close()
      }
      try Self.checkWhatIsLeft(of: image)
    }
  }

  @Test(arguments: kinds.filter { $0.bitmap == .blocks })
  func filesAreCutOff(_ kind: Kind) throws {
    try Scratch.with { scratch in
      let image = try Self.image(in: scratch, kind)
      try DirectoryFixture.open(image) { fixture in
        let volume = fixture.volume
        let file = try fixture.open("a")
        try file.resize(to: 5000)
        #expect(file.status().size == 5000)
        try fixture.open("b").change(.punchHole, at: 8192, length: 40_960, options: [])
        let damage = volume.takeDamage()
        #expect(damage.contains { "\($0)".contains("bitmap is damaged") }, "\(damage)")
        try volume.close()
      }
      try Self.checkWhatIsLeft(of: image)
    }
  }

  /// The damage is recorded; e2fsck -p puts it right, and finds the files that are left.
  private static func checkWhatIsLeft(of image: Image) throws {
    #expect(try image.superblock("Filesystem state").contains("errors"))
    #expect(try image.superblock("Last error err") == "EFSCORRUPTED")
    let result = try Command(["e2fsck", "-p", image.path.string]).run()
    #expect(result.status <= 1, "\(result.description)")
    try image.check()
    #expect(try image.debugfs("stat /d").contains("Size: 200000"))
  }
}
