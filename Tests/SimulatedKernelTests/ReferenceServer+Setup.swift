import Foundation
import Glibc
import KernelDouble
import SystemPackage
import TestSupport

/// INIT, CONFIG, DESTROY, and the notifications.
extension ReferenceServer {
  func initialize(_ request: Request) throws -> [UInt8] {
    let flags: UInt32 = request.body.get(12)
    let more: UInt32 = request.body.get(16)
    let offered = flags & (1 << 30) != 0 && more & 0x800 != 0
    usesIomap = offered && !options.isClassic
    if fault == .wrongPadding && usesIomap {
      _ = kernel.backingOpen(fd: options.device, flags: 1, padding: 1)
    }
    var writer = ByteWriter()
    writer.put(UInt32(7))
    writer.put(UInt32(usesIomap ? (fault == .lowMinor ? 38 : 99) : 45))
    writer.put(UInt32(131_072))
    var answer = flags & ~UInt32(1 << 3 | 1 << 16 | 1 << 17)
    if fault == .keepsAtomicTruncate { answer |= 1 << 3 }
    if !usesIomap { answer &= ~(1 << 30) }
    writer.put(answer)
    writer.put(UInt16(12))
    writer.put(UInt16(9))
    writer.put(UInt32(1 << 20))
    writer.put(UInt32(1))
    writer.put(UInt16(256))
    writer.put(UInt16(0))
    writer.put(UInt32(usesIomap ? 0x800 : 0))
    writer.zeros(28)
    return writer.bytes
  }

  func configure(_ request: Request) throws -> [UInt8] {
    let flags: UInt64 = request.body.get(0)
    isV7 = flags & 0x40 != 0
    if flags & ~0x7f != 0 { usesIomap = false }
    if fault == .wrongRevision { isV7.toggle() }
    if fault != .largeDeviceBlocks {
      _ = kernel.setDeviceBlockSize(UInt32(options.blockSize))
    }
    switch kernel.backingOpen(fd: options.device, flags: 1, padding: 0) {
    case .success(let opened): cookie = opened
    case .failure:
      if fault == .configError { throw Refusal(EIO) }
      if fault != .flagsWithoutDevice && fault != .flagsOnFile { usesIomap = false }
    }
    var writer = ByteWriter()
    // UUID, BLOCKSIZE, TIME, MAXBYTES.
    writer.put(UInt64(fault == .noMaxBytes ? 0x16 : 0x36))
    writer.zeros(32)
    writer.bytes += (0..<16).map { UInt8($0) + 1 }
    writer.put(UInt8(16))
    writer.zeros(3)
    writer.put(UInt32(options.blockSize))
    writer.put(UInt32(0))
    writer.put(UInt32(1))
    writer.put(Int64(-2_147_483_648))
    writer.put(Int64(0x3_7fff_ffff))
    writer.put(fault == .noMaxBytes ? 0 : Int64(maximumBytes))
    if fault == .longConfigReply { writer.zeros(16) }
    return writer.bytes
  }

  var maximumBytes: UInt64 { UInt64(UInt32.max) * options.blockSize }

  func destroy(_ request: Request) throws -> [UInt8] {
    if fault != .destroysEarly {
      idle.lock()
      while withLock({ opened > 0 }) && idle.wait(until: Date().addingTimeInterval(8)) {}
      idle.unlock()
    }
    commit()
    withLock { scratch["clean"] = 1 }
    kernel.serverClosedDevice()
    return []
  }

  // MARK: Notifications

  func notify(_ code: Int32, _ payload: [UInt8], isShort: Bool = false) -> Errno? {
    var writer = ByteWriter()
    let payload = isShort ? Array(payload.dropLast(8)) : payload
    writer.put(UInt32(16 + payload.count))
    writer.put(code)
    writer.put(UInt64(0))
    writer.bytes += payload
    return writer.bytes.withUnsafeBytes { kernel.notify($0) }
  }

  func upsert(_ inode: ReferenceInode, _ mapping: ReferenceMapping) -> Errno? {
    var writer = ByteWriter()
    writer.put(node(of: inode))
    writer.put(inode.number + (fault == .wrongNotificationInode ? 1 : 0))
    mapping.put(into: &writer)
    if fault == .upsertsWriteSlot {
      mapping.put(into: &writer)
    } else {
      ReferenceMapping(offset: 0, length: 0, address: 0, type: 253).put(into: &writer)
    }
    return notify(100, writer.bytes, isShort: fault == .shortUpsert)
  }

  func invalidate(_ inode: ReferenceInode, _ offset: UInt64, _ length: UInt64) {
    var writer = ByteWriter()
    writer.put(node(of: inode))
    writer.put(inode.number)
    writer.put(offset)
    writer.put(length)
    writer.put(offset)
    writer.put(length)
    _ = notify(101, writer.bytes)
  }

  func invalidateDevice(_ block: UInt64, _ count: UInt64) {
    guard usesIomap else { return }
    var writer = ByteWriter()
    writer.put(cookie)
    writer.put(UInt32(0))
    writer.put(block * options.blockSize)
    writer.put(fault == .emptyDeviceInval ? 0 : count * options.blockSize)
    _ = notify(99, writer.bytes)
  }
}
