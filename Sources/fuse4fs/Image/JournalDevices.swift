import Ext4
import Glibc
import Journal
import Synchronization
import SystemPackage

/// Finds and opens the device that has a file system's journal, where that is not in the file system itself. It stays open and
/// locked for as long as this object lives.
final class JournalDevices: Sendable {
  /// Nil: where udev finds it by its UUID.
  private let path: String?
  private let isPassedOn: Bool
  private let opened = Mutex<JournalDevice?>(nil)

  init(_ options: MountOptions) {
    path = options.journalPath
    isPassedOn = options.deviceName != nil && path != nil
  }

  func open(_ uuid: FileSystemUUID) throws(MountRefusal) -> BlockDevice {
    let result = opened.withLock { opened in
      Result { () throws(MountRefusal) in
        if let opened { return opened.blocks }
        let device = try find(uuid)
        opened = device
        return device.blocks
      }
    }
    return try result.get()
  }

  private func find(_ uuid: FileSystemUUID) throws(MountRefusal) -> JournalDevice {
    let place = path ?? "/dev/disk/by-uuid/\(uuid)"
    guard path != nil || access(place, F_OK) == 0 else {
      throw MountRefusal(
        "its journal is on another device, with the UUID \(uuid), which is not there; say where it is with "
          + "-o journal_path=PATH")
    }
    do throws(StartupFailure) {
      return try JournalDevice(path: place, isPassedOn: isPassedOn)
    } catch {
      throw MountRefusal("its journal is on another device: \(error.message)")
    }
  }
}

/// A file or block device that is open and locked as an image for writing is.
final class JournalDevice: Sendable {
  private let image: OpenImage
  let blocks: BlockDevice

  var descriptor: CInt { image.descriptor }

  /// `isPassedOn`: as for `OpenImage`.
  init(path: String, isPassedOn: Bool = false) throws(StartupFailure) {
    let image = try OpenImage(
      path: path, writable: true, isPassedOn: isPassedOn,
      adviceIfReadOnly: "make it writable, since the journal cannot be used without")
    try ImageLock.take(on: image, path: path, writable: true)
    try KernelUse.check(image, path: path, writable: true)
    blocks = BlockDevice(
      fileDescriptor: image.descriptor, byteOffset: 0, byteCount: image.byteCount,
      isWritable: true)
    self.image = image
  }
}
