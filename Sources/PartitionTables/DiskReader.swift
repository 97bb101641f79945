import Glibc

/// Reads parts of a file or device, to find out what is on it.
public struct DiskReader {
  let descriptor: Int32
  /// The size of the whole device.
  public let byteCount: Int64

  public init(descriptor: Int32, byteCount: Int64) {
    self.descriptor = descriptor
    self.byteCount = byteCount
  }

  /// Nil if the range is not within the device, or cannot be read.
  public func bytes(at offset: Int64, count: Int) -> [UInt8]? {
    guard offset >= 0, count >= 0, offset <= byteCount - Int64(count) else { return nil }
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let result = pread(
          descriptor, buffer.baseAddress.map { $0 + filled }, count - filled,
          off_t(offset) + off_t(filled))
        if result < 0 && errno == EINTR { continue }
        guard result > 0 else { return }
        filled += result
      }
    }
    return bytes.count == count ? bytes : nil
  }

  /// Whether a superblock of the ext family is where a file system that begins at `offset` has it:
  /// its magic number is 56 bytes into the superblock, which is at byte 1024 (kernel
  /// Documentation/filesystems/ext4/super.rst).
  public func hasExtSuperblock(at offset: Int64) -> Bool {
    guard offset >= 0, offset < byteCount else { return false }
    return bytes(at: offset + 1024 + 56, count: 2) == [0x53, 0xEF]
  }
}
