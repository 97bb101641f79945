import Glibc

/// What the kernel itself does with an image, which no lock tells.
enum KernelUse {
  /// - Throws: a mount failure if the kernel writes to the image, or counts on it not to change.
  static func check(_ image: borrowing OpenImage, path: String, writable: Bool)
    throws(StartupFailure)
  {
    if image.isBlockDevice {
      // For writing, O_EXCL has already settled it.
      if !writable { try checkMounts(of: image.deviceNumber, path: path) }
    } else if writable {
      try checkLoopDevices(of: image.identity, path: path)
    }
  }

  /// The sentence for a block device that the kernel does not let us have for our own.
  static func conflict(blockDevice path: String, number: dev_t) -> StartupFailure {
    let devices = Self.devices(on: FileIdentity.sysfsNumber(of: number))
    if let mount = MountTable.current().entries.first(where: { devices.contains($0.device) }) {
      return .mount(
        "the kernel has '\(path)' mounted on '\(mount.mountPoint)'; unmount that first")
    }
    return .mount(
      "'\(path)' is in use by the kernel, as part of a volume, as swap space, or by another "
        + "program that has it for its own")
  }

  private static func checkMounts(of device: String, path: String) throws(StartupFailure) {
    let devices = Self.devices(on: device)
    let mount = MountTable.current().entries.first {
      devices.contains($0.device) && !$0.isReadOnly
    }
    if let mount {
      throw .mount(
        "the kernel has '\(path)' mounted for writing on '\(mount.mountPoint)'; "
          + "unmount that first, or remount it read-only")
    }
  }

  /// A device and the partitions on it.
  private static func devices(on device: String) -> Set<String> {
    let partitions = SystemFile.matching("/sys/dev/block/\(device)/*/partition")
    let numbers = partitions.compactMap { SystemFile.line($0.dropLast("partition".count) + "dev") }
    return Set(numbers + [device])
  }

  private static func checkLoopDevices(of file: FileIdentity, path: String)
    throws(StartupFailure)
  {
    for attribute in SystemFile.matching("/sys/block/loop*/loop/backing_file") {
      let directory = attribute.dropLast("/loop/backing_file".count)
      guard let backing = SystemFile.line(attribute), FileIdentity(path: backing) == file,
        SystemFile.line(directory + "/ro") == "0"
      else { continue }
      let device = "/dev/\(directory.split(separator: "/").last ?? "loop")"
      let number = SystemFile.line(directory + "/dev")
      if let mount = MountTable.current().entries.first(where: { $0.device == number }) {
        throw .mount(
          "the kernel has '\(path)' mounted on '\(mount.mountPoint)' through \(device); "
            + "unmount that first")
      }
      throw .mount(
        "'\(path)' is attached to \(device), through which others may write to it; detach it "
          + "first: losetup -d \(device)")
    }
  }
}
