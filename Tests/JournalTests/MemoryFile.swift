import CLinux
import Glibc
import Journal
import SystemPackage
import TestSupport

/// A file in memory that stands for an image or a device. It stays open until the tests end, since a
/// `BlockDevice` does not keep it open.
struct MemoryFile {
  let descriptor: CInt

  init(_ contents: [UInt8] = []) throws {
    descriptor = clinux_memory_file()
    guard descriptor >= 0 else { throw Errno(rawValue: errno) }
    if !contents.isEmpty { try Syscall.write(descriptor, contents, at: 0) }
  }

  var contents: [UInt8] {
    get throws {
      let size = Int(try Syscall.fstat(descriptor).st_size)
      return try Syscall.read(descriptor, count: size, at: 0)
    }
  }

  func device(
    offset: Int64 = 0, count: Int64, isWritable: Bool = true,
    observer: (any BlockDeviceObserver)? = nil, lockObserver: (any LockObserver)? = nil
  ) -> BlockDevice {
    BlockDevice(
      fileDescriptor: descriptor, byteOffset: offset, byteCount: count, isWritable: isWritable,
      observer: observer, lockObserver: lockObserver)
  }

  /// By which the file can be opened once more.
  var path: FilePath { FilePath("/proc/self/fd/\(descriptor)") }

  /// Writes behind the present end are EPERM from now on.
  func sealGrowth() throws {
    guard clinux_seal_growth(descriptor) == 0 else { throw Errno(rawValue: errno) }
  }

  /// From now on, all users of this file use `other`.
  func becomes(_ other: MemoryFile) throws {
    guard dup2(other.descriptor, descriptor) >= 0 else { throw Errno(rawValue: errno) }
  }
}

extension BlockDevice {
  func read(_ count: Int, at offset: UInt64) throws(Errno) -> [UInt8] {
    // Other than zero, so that zeros must have been read.
    var bytes = [UInt8](repeating: 0xEE, count: count)
    let result = bytes.withUnsafeMutableBytes { buffer in
      Result { () throws(Errno) in try read(into: buffer, at: offset) }
    }
    try result.get()
    return bytes
  }

  func write(_ bytes: [UInt8], at offset: UInt64) throws(Errno) {
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(Errno) in try write(buffer, at: offset) }
    }
    try result.get()
  }
}

extension BlockCache {
  func contents(_ block: UInt64) throws(Errno) -> [UInt8] {
    Array(UnsafeRawBufferPointer(start: try read(BlockNumber(block)).data, count: blockSize))
  }

  /// Makes `bytes`, a block's worth, the contents of the block, as far as the cache goes.
  func replace(_ block: UInt64, with bytes: [UInt8]) throws(Errno) {
    let buffer = try overwrite(BlockNumber(block))
    buffer.data.copyMemory(from: bytes, byteCount: blockSize)
    markDirty(buffer)
  }
}

/// Opens a file for `body`.
func withOpen(
  _ path: FilePath, _ mode: FileDescriptor.AccessMode, _ body: (CInt) throws -> Void
) throws {
  let file = try FileDescriptor.open(path, mode)
  try file.closeAfter { try body(file.rawValue) }
}
