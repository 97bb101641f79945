import Glibc
import SystemPackage

/// An image mounted by the kernel's ext4 through a loop device: what is right by definition.
public struct KernelMount {
  public static func with<R>(
    _ image: Image, at point: FilePath, options: [String] = [], _ body: (FilePath) throws -> R
  ) throws -> R {
    let list = (["loop", "noatime", "nodev"] + options).joined(separator: ",")
    try Command(["mount", "-t", "ext4", "-o", list, image.path.string, point.string]).succeed()
    let result: Result<R, any Error>
    do { result = .success(try body(point)) } catch { result = .failure(error) }
    if try !Command(["umount", point.string]).run().succeeded {
      try Command(["umount", "--lazy", point.string]).succeed()
    }
    try waitForEnd(of: image)
    return try result.get()
  }

  /// The loop device goes with the file system, and that with the last copy of its mount: a mount namespace that was made meanwhile
  /// has one.
  private static func waitForEnd(of image: Image) throws {
    for _ in 0..<3000 {
      guard try !Command(["losetup", "--associated", image.path.string]).succeed().text.isEmpty
      else { return }
      usleep(20_000)
    }
    throw Failure("the kernel still has \(image.path) mounted")
  }
}

/// A loop device on a file, detached when the body ends.
public struct LoopDevice {
  public static func with<R>(
    _ file: FilePath, options: [String] = [], _ body: (FilePath) throws -> R
  ) throws -> R {
    let made = try Command(["losetup", "--find", "--show"] + options + [file.string]).succeed()
    defer { _ = try? Command(["losetup", "--detach", made.text]).run() }
    return try body(FilePath(made.text))
  }
}
