import Foundation
import SystemPackage

/// What the kernel leaves of a file system when the power goes while it is mounted.
public enum CrashedImage {
  /// Mounts `image` with the kernel's ext4, has `work` done in it, and makes `copy` as the device is then: the log holds what was
  /// synchronised, and most of it is not home yet. The mount then ends as always; `image` is of no more interest.
  ///
  /// Nothing is written behind the back of `work`: commits come when it asks for them or the log is full.
  public static func make(
    of image: Image, copy: FilePath, at point: FilePath, options: [String] = [],
    _ work: (FilePath) throws -> Void
  ) throws -> Image {
    try KernelMount.with(image, at: point, options: ["commit=3000"] + options) { root in
      try work(root)
      try copyAtRest(image.path, to: copy)
      // Devices for the journal alone, which `options` may name, are copied by the caller in `work`.
    }
    return Image(existing: copy)
  }

  /// Copies a file that might be written to meanwhile until two copies in a row are the same.
  public static func copyAtRest(_ source: FilePath, to copy: FilePath) throws {
    let again = FilePath(copy.string + ".again")
    defer { _ = try? Command(["rm", "-f", again.string]).run() }
    for _ in 0..<20 {
      for target in [copy, again] {
        try Command(["cp", "--sparse=always", "--reflink=never", source.string, target.string])
          .succeed()
      }
      if try Command(["cmp", "-s", copy.string, again.string]).run().succeeded { return }
    }
    throw Failure("\(source) does not come to rest")
  }
}
