import Glibc
import SystemPackage
import TestSupport

/// The writes that a power cut may lose: what they wrote, and what was there before.
final class UnflushedWrites: @unchecked Sendable {
  private struct Write {
    let offset: UInt64
    let before: [UInt8]
    let after: [UInt8]
  }

  private let device: BlockDeviceFile
  private let monitor = Monitor()
  private var writes: [Write] = []
  /// Those before it are what the flush in progress makes durable.
  private var marks: [Int] = []

  init(_ device: BlockDeviceFile) { self.device = device }

  /// Before the bytes are written.
  func record(_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) {
    monitor.withLock {
      let before = device.bytes(at: offset, count: bytes.count)
      writes.append(Write(offset: offset, before: before, after: Array(bytes)))
    }
  }

  /// A flush begins: writes that come later are not covered by it.
  func mark() { monitor.withLock { marks.append(writes.count) } }

  func flushed() {
    monitor.withLock {
      let durable = marks.isEmpty ? writes.count : marks.removeFirst()
      writes.removeFirst(durable)
      marks = marks.map { max(0, $0 - durable) }
    }
  }

  /// The last write at each of the addresses has become durable by itself.
  func forceUnit(_ addresses: [UInt64]) {
    monitor.withLock {
      for address in addresses {
        guard let index = writes.lastIndex(where: { $0.offset == address }) else { continue }
        writes.remove(at: index)
        marks = marks.map { $0 > index ? $0 - 1 : $0 }
      }
    }
  }

  /// Writes an image of the device as a power cut now may leave it: each unflushed write happened if
  /// `survives` says so.
  func crash(image: FilePath, to copy: FilePath, survives: (Int) -> Bool) throws {
    try monitor.withLock { () throws in
      try Command(["cp", "--sparse=always", image.string, copy.string]).succeed()
      let descriptor = try Syscall.open(copy, O_RDWR)
      defer { close(descriptor) }
      for write in writes.reversed() {
        try Syscall.write(descriptor, write.before, at: Int(write.offset))
      }
      for (index, write) in writes.enumerated() where survives(index) {
        try Syscall.write(descriptor, write.after, at: Int(write.offset))
      }
    }
  }

  var count: Int { monitor.withLock { writes.count } }
}
