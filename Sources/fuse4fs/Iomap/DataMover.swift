import FuseServer
import IomapCache

/// Decides whether the kernel, if it can and may, or the daemon moves the data of files.
struct DataMover {
  /// Set where the kernel is to be asked.
  let device: (any IomapDevice)?
  /// Set where it need not be.
  let refusal: IomapRefusal?

  /// - Throws: a mount failure where it must be the kernel and cannot be.
  static func choose(
    _ options: MountOptions, _ image: ImageSource, _ environment: Mount.Environment
  ) throws(StartupFailure) -> DataMover {
    guard options.iomap != .never else { return DataMover(device: nil, refusal: nil) }
    do throws(IomapRefusal) {
      guard !options.singleThread else {
        throw IomapRefusal("it takes more threads than the one that -s leaves")
      }
      guard environment.channel.iomapSupport().contains(.fileIO) else {
        throw IomapRefusal("the kernel does not have it, or not for this user")
      }
      return DataMover(device: try environment.makeDevice(image), refusal: nil)
    } catch {
      if options.iomap == .always { throw failure(image, error) }
      return DataMover(device: nil, refusal: error)
    }
  }

  static func failure(_ image: ImageSource, _ refusal: IomapRefusal) -> StartupFailure {
    .mount(
      "cannot mount '\(image.displayName)' with iomap: \(refusal.reason); leave out -o iomap=always, or "
        + "run it as root on a kernel with FUSE iomap (protocol 7.99) that has it enabled")
  }
}
