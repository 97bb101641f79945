import Glibc
import IomapCache
import Journal
import SystemPackage

extension Inode {
  /// Fills `buffer` with the file's bytes from `offset` on and returns how many there were before its end. Takes no
  /// lock but the inode's own, as long as the mappings are cached.
  public func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) throws(Ext4Error) -> Int {
    try requireOwnData()
    return try io.withReadLock { () throws(Ext4Error) in
      let size = sizeInBytes.load(ordering: .acquiring)
      guard offset < size, !buffer.isEmpty else { return 0 }
      let count = Int(min(UInt64(buffer.count), size - offset))
      if hasInlineData.load(ordering: .relaxed) {
        return try readInline(
          into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]), at: offset)
      }
      try readMapped(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]), at: offset)
      return count
    }
  }

  /// Fills all of `buffer`, which lies within the file.
  private func readMapped(
    into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) throws(Ext4Error) {
    var done = 0
    while done < buffer.count {
      let position = FileOffset(offset + UInt64(done))
      let mapping = try mapping(at: position)
      let length = Int(min(UInt64(buffer.count - done), mapping.end - position))
      let part = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<(done + length)])
      if mapping.kind == .mapped {
        try readDevice(into: part, at: mapping.address(of: position))
      } else {
        memset(part.baseAddress!, 0, length)
      }
      done += length
    }
  }

  func readDevice(
    into buffer: UnsafeMutableRawBufferPointer, at address: DeviceOffset
  ) throws(Ext4Error) {
    if journalsData {
      return try volume.withMetadata { () throws(Ext4Error) in
        try readJournaled(into: buffer, at: address)
      }
    }
    do throws(Errno) {
      try volume.device.read(into: buffer, at: address.rawValue, mayGiveUp: true)
    } catch .wouldWait {
      throw .errno(.wouldWait)
    } catch {
      throw .library(code: Int(error.rawValue), doing: "reading file data", number)
    }
  }

  private func readInline(
    into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) throws(Ext4Error) -> Int {
    try volume.withMetadata { () throws(Ext4Error) in
      let data = try inlineData()
      guard offset < UInt64(data.count) else { return 0 }
      let count = min(buffer.count, data.count - Int(offset))
      data.withUnsafeBytes { _ = memcpy(buffer.baseAddress!, $0.baseAddress! + Int(offset), count) }
      return count
    }
  }

  /// The next position at or behind `offset` that holds data (anything written), or that is a hole; the end of the
  /// file is a hole. ENXIO behind the end, or when there is no more data (lseek(2)).
  public func seek(from offset: UInt64, toData: Bool) throws(Ext4Error) -> UInt64 {
    var walk = MappingWalk(over: self)
    var position = FileOffset(offset)
    while true {
      let found = try io.withReadLock { () throws(Ext4Error) in
        try seek(from: &position, toData: toData, &walk)
      }
      if let found { return found }
    }
  }

  /// Mappings after which a search lets other threads have the lock.
  private static let mappingsPerStep = 4096

  /// One step of a search; nil if it has to go on from `position`.
  private func seek(
    from position: inout FileOffset, toData: Bool, _ walk: inout MappingWalk
  ) throws(Ext4Error) -> UInt64? {
    let size = sizeInBytes.load(ordering: .acquiring)
    guard position.rawValue < size else {
      // Behind the end from the beginning, or since the file is shorter.
      throw .errno(.noSuchAddressOrDevice)
    }
    if hasInlineData.load(ordering: .relaxed) { return toData ? position.rawValue : size }
    for _ in 0..<Self.mappingsPerStep {
      let mapping = try mapping(at: position)
      if (mapping.kind == .mapped) == toData { return position.rawValue }
      position = try walk.pass(mapping, from: position)
      guard position.rawValue < size else {
        guard !toData else { throw .errno(.noSuchAddressOrDevice) }
        return size
      }
    }
    return nil
  }
}
