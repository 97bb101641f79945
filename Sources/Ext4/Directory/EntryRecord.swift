/// What a directory says about a name.
public struct DirectoryEntry: Sendable {
  public let inode: InodeNumber
  /// Nil where the file system keeps no types in its directories, or where the type is an unknown number.
  public let type: FileType?
}

/// How the records of a directory are to be understood.
struct EntryFormat {
  let directory: InodeNumber
  /// `s_inodes_count`.
  let inodeCount: UInt32
  let hasTypes: Bool

  /// What a used record says; one that names an impossible inode is corruption.
  func entry(_ inode: UInt32, typeCode: UInt8) throws(Ext4Error) -> DirectoryEntry {
    guard inode <= inodeCount else {
      throw .corrupted(directory, what: "a directory entry has an inode number out of range")
    }
    return DirectoryEntry(
      inode: InodeNumber(inode), type: hasTypes ? FileType(rawValue: typeCode) : nil)
  }
}

/// An entry to be written: the name is borrowed.
struct NewEntry {
  let name: UnsafeRawBufferPointer
  let inode: UInt32
  /// What goes into the type byte: 0 without the filetype feature.
  let typeCode: UInt8

  var recordLength: Int { EntryRecord.length(forName: name.count) }
}

/// A record of a directory as it lies on disk (struct ext4_dir_entry_2): inode, record length, name
/// length, type, name. An inode of 0 says that it is free.
///
/// Comes from `EntryRegion.record(at:)` only, which has checked that all of it lies within the region.
struct EntryRecord {
  /// What precedes the name.
  static let headerLength = 8
  /// Room for a name of one byte: no record is shorter.
  static let minimumLength = 12

  let address: UnsafeMutableRawPointer
  /// Bytes to the next record: this one's own and free space behind it.
  let length: Int

  /// The bytes that a record needs for a name of `count` bytes: a multiple of 4.
  @inline(__always)
  static func length(forName count: Int) -> Int { (headerLength + count + 3) & ~3 }

  var inode: UInt32 {
    UInt32(littleEndian: address.loadUnaligned(as: UInt32.self))
  }

  var isUsed: Bool { inode != 0 }

  var nameLength: Int { Int(address.load(fromByteOffset: 6, as: UInt8.self)) }

  var typeCode: UInt8 { address.load(fromByteOffset: 7, as: UInt8.self) }

  var name: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: address + Self.headerLength, count: nameLength)
  }

  /// The bytes of `length` that are in use.
  var usedLength: Int { isUsed ? Self.length(forName: nameLength) : 0 }

  /// Makes the record lead to another file.
  func setTarget(_ inode: UInt32, typeCode: UInt8) {
    address.storeBytes(of: inode.littleEndian, as: UInt32.self)
    address.storeBytes(of: typeCode, toByteOffset: 7, as: UInt8.self)
  }

  /// Writes a record of `length` bytes; what follows the name up to 4 bytes' alignment becomes zero.
  static func write(_ entry: NewEntry, length: Int, at address: UnsafeMutableRawPointer) {
    writeHeader(
      inode: entry.inode, length: length, nameLength: entry.name.count,
      typeCode: entry.typeCode, at: address)
    let end = Self.length(forName: entry.name.count)
    if end > headerLength {
      address.storeBytes(of: 0, toByteOffset: end - 4, as: UInt32.self)
    }
    if let name = entry.name.baseAddress {
      (address + headerLength).copyMemory(from: name, byteCount: entry.name.count)
    }
  }

  /// Writes a record that is free.
  static func writeFree(length: Int, at address: UnsafeMutableRawPointer) {
    writeHeader(inode: 0, length: length, nameLength: 0, typeCode: 0, at: address)
  }

  private static func writeHeader(
    inode: UInt32, length: Int, nameLength: Int, typeCode: UInt8,
    at address: UnsafeMutableRawPointer
  ) {
    address.storeBytes(of: inode.littleEndian, as: UInt32.self)
    setLength(length, at: address)
    address.storeBytes(of: UInt8(truncatingIfNeeded: nameLength), toByteOffset: 6, as: UInt8.self)
    address.storeBytes(of: typeCode, toByteOffset: 7, as: UInt8.self)
  }

  /// Sets the length of the record at `address`. A record that fills a block of 64 KiB is written as
  /// 65,535 (ext4_rec_len_to_disk).
  static func setLength(_ length: Int, at address: UnsafeMutableRawPointer) {
    let onDisk = length > 0xFFFF ? 0xFFFF : UInt16(truncatingIfNeeded: length)
    address.storeBytes(of: onDisk.littleEndian, toByteOffset: 4, as: UInt16.self)
  }
}
