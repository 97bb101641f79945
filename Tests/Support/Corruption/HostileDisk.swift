import CLinux
import Glibc
import Journal
import SystemPackage
import TestSupport

/// A disk in memory for images that are not to be trusted, with room before and behind in which nothing may ever be written.
///
/// Behind the image, half of the guarded room belongs to the device: a write there is within the device and outside of the file system.
public final class HostileDisk {
  public static let guardSize = 64 << 10
  private static let guardByte: UInt8 = 0xA5

  public let capacity: Int
  let descriptor: CInt
  private let all: UnsafeMutableRawBufferPointer
  /// Bytes of the image that was loaded last.
  public private(set) var count = 0

  /// `capacity`: of the largest image.
  public init(capacity: Int) throws {
    self.capacity = capacity
    let size = capacity + 2 * Self.guardSize
    descriptor = clinux_memory_file()
    guard descriptor >= 0 else { throw Errno(rawValue: errno) }
    try Syscall.ftruncate(descriptor, size: size)
    let address = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    guard let address, address != MAP_FAILED else { throw Errno(rawValue: errno) }
    all = UnsafeMutableRawBufferPointer(start: address, count: size)
  }

  deinit {
    munmap(all.baseAddress, all.count)
    close(descriptor)
  }

  /// Makes the disk as `image` has it.
  public func load(_ image: [UInt8]) throws {
    guard image.count <= capacity else { throw Failure("an image of \(image.count) bytes") }
    count = image.count
    memset(all.baseAddress!, CInt(Self.guardByte), Self.guardSize)
    bytes.raw.copyBytes(from: image)
    memset(
      all.baseAddress! + Self.guardSize + count, CInt(Self.guardByte),
      all.count - Self.guardSize - count)
  }

  public var bytes: ImageBytes {
    ImageBytes(
      UnsafeMutableRawBufferPointer(
        rebasing: all[Self.guardSize..<Self.guardSize + count]))
  }

  public func device(isWritable: Bool = true) -> BlockDevice {
    BlockDevice(
      fileDescriptor: descriptor, byteOffset: Int64(Self.guardSize),
      byteCount: Int64(count + Self.guardSize / 2), isWritable: isWritable)
  }

  /// For e2fsck(8) and its like.
  public var path: String { "/proc/\(getpid())/fd/\(descriptor)?offset=\(Self.guardSize)" }

  /// The bytes of the file system's blocks, as its superblock says now.
  public var fileSystemSize: Int {
    let geometry = Geometry(bytes)
    let size = geometry.blockCount.multipliedReportingOverflow(by: geometry.blockSize)
    return size.overflow ? count : max(size.partialValue, count)
  }

  /// Where something was written outside of the file system: nil for nowhere. `size`: the most bytes that the file system ever said
  /// it has. The boot block, before the superblock, must not be written either.
  public func strayWrite(fileSystemSize size: Int, bootBlock: [UInt8]) -> String? {
    for place in 0..<Self.guardSize where all[place] != Self.guardByte {
      return "\(Self.guardSize - place) bytes before the device"
    }
    let behind = Self.guardSize + max(min(size, count + Self.guardSize / 2), count)
    for place in behind..<Self.guardSize * 2 + count where all[place] != Self.guardByte {
      return "\(place - Self.guardSize - count) bytes behind the image"
    }
    for (place, byte) in bootBlock.enumerated() where all[Self.guardSize + place] != byte {
      return "byte \(place) of the boot block"
    }
    return nil
  }
}
