import Ext4
import Glibc
import Journal

/// An image with a fresh file system, which is gone when this is.
final class ScratchVolume {
  struct Failure: Error { let action: String }

  let volume: Volume
  private let path: String
  private let descriptor: CInt

  init(mebibytes: Int) throws {
    let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(directory)/fuse4fs-benchmark.XXXXXX".utf8CString)
    let made = mkstemp(&template)
    guard made >= 0 else { throw Failure(action: "make an image in \(directory)") }
    path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    descriptor = made
    let command = "mke2fs -q -F -t ext4 -E lazy_itable_init=1 '\(path)' \(mebibytes)M >/dev/null"
    guard system(command) == 0 else { throw Failure(action: "run mke2fs") }
    let device = BlockDevice(
      fileDescriptor: descriptor, byteOffset: 0, byteCount: Int64(mebibytes) << 20,
      isWritable: true)
    volume = try Volume.open(device, options: .init())
    _ = try volume.startWriting()
  }

  deinit {
    // Nobody needs what could not be written.
    try? volume.close()
    close(descriptor)
    unlink(path)
  }

  func name<R>(_ text: String, _ body: (FileName) throws -> R) throws -> R {
    var text = text
    return try text.withUTF8 { try body(FileName(UnsafeRawBufferPointer($0))) }
  }

  /// Creates a file under the root, and keeps a reference to it.
  func create(_ text: String) throws -> Inode {
    let node = NewNode(
      .regularFile, permissions: 0o644, umask: 0, userID: 0, groupID: 0)
    return try name(text) { try volume.create(node, named: $0, in: volume.node(.root)) }
  }

  func createAndForget(_ text: String) throws {
    try volume.forget(create(text).number, count: 1)
  }

  /// A file of so many extents: blocks with holes between them.
  func createFragmented(_ text: String, extents: Int) throws -> Inode {
    let inode = try create(text)
    let block = [UInt8](repeating: 1, count: volume.blockSize)
    try block.withUnsafeBytes { bytes in
      for number in 0..<extents {
        _ = try inode.write(
          bytes, at: UInt64(2 * number * volume.blockSize), options: .writeback)
      }
    }
    return inode
  }
}
