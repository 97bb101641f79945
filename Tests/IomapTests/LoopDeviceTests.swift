import FuseServer
import Glibc
import IomapCache
import KernelDouble
import SystemPackage
import TestSupport
import Testing

@testable import fuse4fs

/// The block device that an image becomes, for a kernel that moves data to and from block devices only.
@Suite(.enabled(if: getuid() == 0)) struct LoopDeviceTests {
  private func device(
    _ scratch: Scratch, options: [String], size: String = "8M"
  ) throws -> (BlockSpecialFile, ImageSource) {
    let image = try Image(
      at: scratch.appending("disk.img"), size: size, options: ["-E", "offset=1048576"])
    var mountOptions = MountOptions(device: image.path.string, mountpoint: "/nowhere")
    for option in options { try MountOptionList.apply(option, to: &mountOptions) }
    let source = try ImageSource(options: mountOptions)
    return (try BlockSpecialFile.of(source), source)
  }

  private func magic(_ descriptor: CInt) -> [UInt8] {
    var bytes: [UInt8] = [0, 0]
    _ = pread(descriptor, &bytes, 2, 1024 + 56)
    return bytes
  }

  @Test func showsTheFileSystemFromItsFirstByte() throws {
    try Scratch.with { scratch in
      let (device, source) = try device(scratch, options: ["offset=1M"])
      defer { device.close() }
      #expect(device.byteCount == source.byteCount)
      for descriptor in [device.descriptor, device.registeredDescriptor] {
        var status = stat()
        #expect(fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFBLK)
        #expect(magic(descriptor) == [0x53, 0xEF])
      }
      try device.prepare(blockSize: 1024)
      // What is written there is in the image, behind the offset.
      let sevens: [UInt8] = [7, 7, 7]
      #expect(pwrite(device.descriptor, sevens, 3, 4096) == 3)
      #expect(fsync(device.descriptor) == 0)
      var bytes: [UInt8] = [0, 0, 0]
      #expect(pread(source.fileDescriptor, &bytes, 3, (1 << 20) + 4096) == 3)
      #expect(bytes == [7, 7, 7])
    }
  }

  @Test func aReadOnlyOneTakesNoWrites() throws {
    try Scratch.with { scratch in
      let (device, _) = try device(scratch, options: ["offset=1M", "ro"])
      defer { device.close() }
      #expect(magic(device.registeredDescriptor) == [0x53, 0xEF])
      #expect(pwrite(device.descriptor, [1], 1, 0) < 0)
    }
  }

  @Test func isGoneWhenItIsClosed() throws {
    try Scratch.with { scratch in
      let (device, _) = try device(scratch, options: ["offset=1M"])
      let path = scratch.appending("disk.img").string
      func isAttached() throws -> Bool {
        try Command(["losetup", "--list", "--noheadings", "--output", "BACK-FILE"]).succeed()
          .lines.contains { $0.contains(path) }
      }
      #expect(try isAttached())
      device.close()
      for _ in 0..<50 where try isAttached() { usleep(20_000) }
      #expect(try !isAttached())
    }
  }
}
