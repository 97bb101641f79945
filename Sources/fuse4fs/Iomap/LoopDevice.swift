import CFuse3
import FuseServer
import Glibc
import SystemPackage

/// A loop device (loop(4)) on an image: the kernel moves data to and from block devices only.
enum LoopDevice {
  /// Makes one that shows `size` bytes of the file from `offset` on, and returns a descriptor of it, opened for our use alone if
  /// it is to be written. The kernel removes the device when its last descriptor is closed.
  static func attach(
    _ file: CInt, offset: Int64, size: Int64, writable: Bool
  ) throws(IomapRefusal) -> CInt {
    let control = open("/dev/loop-control", O_RDWR | O_CLOEXEC)
    guard control >= 0 else {
      throw IomapRefusal(
        "it takes a loop device, and /dev/loop-control cannot be opened: \(Errno.last)")
    }
    defer { close(control) }
    var failure = Errno.resourceBusy
    for _ in 0..<attempts {
      let number = ioctl(control, getFreeCommand, 0)
      guard number >= 0 else {
        throw IomapRefusal("it takes a loop device, and there is none: \(Errno.last)")
      }
      let exclusive = writable ? O_EXCL : 0
      let device = open(
        "/dev/loop\(number)", (writable ? O_RDWR : O_RDONLY) | exclusive | O_CLOEXEC)
      if device >= 0 {
        if configure(device, file, offset: offset, size: size, writable: writable) { return device }
        failure = Errno.last
        close(device)
      } else {
        failure = Errno.last
      }
      // Another program has taken the free device first; there is another.
      guard failure == .resourceBusy || failure == .noSuchFileOrDirectory else { break }
      usleep(20_000)
    }
    throw IomapRefusal("the image cannot be made a loop device: \(failure)")
  }

  private static let attempts = 50
  /// LOOP_CTL_GET_FREE, LOOP_CONFIGURE (include/uapi/linux/loop.h).
  private static let getFreeCommand: UInt = 0x4C82
  private static let configureCommand: UInt = 0x4C0A

  private static func configure(
    _ device: CInt, _ file: CInt, offset: Int64, size: Int64, writable: Bool
  ) -> Bool {
    var configuration = loop_config()
    configuration.fd = UInt32(file)
    configuration.info.lo_offset = UInt64(offset)
    configuration.info.lo_sizelimit = UInt64(size)
    // Past the page cache of the file where it can be: the device has one, and data needs none.
    var flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO
    if !writable { flags |= LO_FLAGS_READ_ONLY }
    configuration.info.lo_flags = UInt32(flags)
    return ioctl(device, configureCommand, &configuration) == 0
  }
}
