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
    // The loop device goes with the mount.
    if try !Command(["umount", point.string]).run().succeeded {
      try Command(["umount", "--lazy", point.string]).succeed()
    }
    return try result.get()
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
