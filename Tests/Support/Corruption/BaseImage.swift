import Foundation
import SystemPackage
import TestSupport

/// A small sound image, which mutations start from. They are kept compressed beside this file; Fuzzing/make-images makes them.
public struct BaseImage: Sendable {
  public let name: String
  public let contents: [UInt8]
  public let map: ImageMap

  /// In the order in which inputs of the fuzzers count them: new ones come last.
  public static let names = [
    "ext2", "ext3", "ext4", "ext4-4k", "ext4-groups", "bigalloc", "log", "log-ext3", "orphans",
  ]

  static let directory = FilePath(#filePath).removingLastComponent().appending("Images")

  /// All of them.
  public static func all() throws -> [BaseImage] {
    try names.map { BaseImage(name: $0, contents: try unpack($0)) }
  }

  public init(name: String, contents: [UInt8]) {
    self.name = name
    self.contents = contents
    var copy = contents
    map = copy.withUnsafeMutableBytes { ImageMap(ImageBytes($0)) }
  }

  private static func unpack(_ name: String) throws -> [UInt8] {
    let unpacked = FileManager.default.temporaryDirectory.appendingPathComponent(
      "fuse4fs-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: unpacked) }
    let packed = directory.appending("\(name).img.gz")
    try Command(
      shell: "gzip -dc '\(packed.string)' >'\(unpacked.path)'"
    ).succeed()
    return Array(try Data(contentsOf: unpacked))
  }
}
