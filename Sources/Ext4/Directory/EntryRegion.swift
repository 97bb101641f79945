import Glibc

/// Directory records that lie end to end: those of a block (without its checksum tail), or those in a
/// part of an inode with inline data.
///
/// Borrows the memory. Nothing in it is trusted: every record is checked whenever it is visited, so that
/// memory safety does not depend on what else may have changed the memory.
struct EntryRegion {
  let base: UnsafeMutableRawPointer
  /// Bytes.
  let count: Int
  /// The directory, for error messages.
  let directory: InodeNumber
  /// `s_inodes_count`: no entry may exceed it.
  let inodeCount: UInt32

  /// A record found by name.
  struct Match {
    let offset: Int
    /// Where the record before it starts; nil when it is the region's first.
    let previous: Int?
  }

  /// The record at `offset`, once its length has been checked (__ext4_check_dir_entry).
  @inline(__always)
  func record(at offset: Int) throws(Ext4Error) -> EntryRecord {
    guard offset <= count - EntryRecord.minimumLength else {
      throw .corrupted(directory, what: "a directory entry is too close to the end of its block")
    }
    let address = base + offset
    var length = Int(
      UInt16(littleEndian: address.loadUnaligned(fromByteOffset: 4, as: UInt16.self)))
    // Only a whole block of 64 KiB does not fit into 16 bits (ext4_rec_len_from_disk).
    if count == 0x10000, length == 0xFFFF || length == 0 { length = 0x10000 }
    let record = EntryRecord(address: address, length: length)
    guard length >= EntryRecord.minimumLength, length & 3 == 0, length <= count - offset,
      length >= EntryRecord.length(forName: record.nameLength)
    else { throw .corrupted(directory, what: "a directory entry has a bad length") }
    return record
  }

  /// Visits the records one after the other; `offset` and `previous` tell where the last one was.
  struct Cursor {
    let region: EntryRegion
    private(set) var offset = 0
    private(set) var previous: Int?
    private var end = 0

    init(_ region: EntryRegion) { self.region = region }

    @inline(__always)
    mutating func next() throws(Ext4Error) -> EntryRecord? {
      guard end < region.count else { return nil }
      let record = try region.record(at: end)
      previous = end == 0 ? nil : offset
      offset = end
      end += record.length
      return record
    }
  }

  @inline(__always)
  var records: Cursor { Cursor(self) }

  func find(_ name: FileName) throws(Ext4Error) -> Match? {
    let last = name.bytes.last
    var records = records
    while let record = try records.next() {
      // Names that lie together mostly begin alike: their ends tell them apart without a call.
      if record.nameLength == name.bytes.count, record.name.last == last, record.isUsed,
        name.matches(record.name)
      {
        return Match(offset: records.offset, previous: records.previous)
      }
    }
    return nil
  }

  /// The record that has `length` bytes to spare; nil when none has.
  func room(for length: Int) throws(Ext4Error) -> Int? {
    var records = records
    while let record = try records.next() {
      if record.length - record.usedLength >= length { return records.offset }
    }
    return nil
  }

  /// Writes `entry` into the spare bytes of the record at `offset`, which `room(for:)` has found.
  func insert(_ entry: NewEntry, at offset: Int) throws(Ext4Error) {
    let record = try record(at: offset)
    let used = record.usedLength
    if used > 0 { EntryRecord.setLength(used, at: record.address) }
    EntryRecord.write(entry, length: record.length - used, at: record.address + used)
  }

  /// Frees the record: the one before it takes it over; the region's first stays as a free record. The
  /// name is wiped (ext4_generic_delete_entry).
  func remove(_ match: Match) throws(Ext4Error) {
    let record = try record(at: match.offset)
    if let previous = match.previous {
      let before = try self.record(at: previous)
      EntryRecord.setLength(before.length + record.length, at: before.address)
      memset(record.address, 0, record.length)
    } else {
      memset(record.address, 0, record.length)
      EntryRecord.writeFree(length: record.length, at: record.address)
    }
  }

  /// Checks every record, also that used ones have names and possible inodes.
  func validate() throws(Ext4Error) {
    var records = records
    while let record = try records.next() {
      guard !record.isUsed || record.nameLength > 0 && record.inode <= inodeCount else {
        throw .corrupted(directory, what: "a directory entry has no name or an impossible inode")
      }
    }
  }

  /// Fills an empty region with records from its start.
  struct Filler {
    let region: EntryRegion
    private var last = 0
    private var end = 0

    init(_ region: EntryRegion) { self.region = region }

    /// Adds a record; `length` when it is to keep free space behind its name. False when it doesn't fit.
    @discardableResult
    mutating func append(_ entry: NewEntry, length: Int? = nil) -> Bool {
      let length = max(length ?? 0, entry.recordLength)
      guard length <= region.count - end else { return false }
      EntryRecord.write(entry, length: length, at: region.base + end)
      last = end
      end += length
      return true
    }

    /// Stretches the last record to the region's end.
    func finish() {
      if end == 0 {
        EntryRecord.writeFree(length: region.count, at: region.base)
      } else {
        EntryRecord.setLength(region.count - last, at: region.base + last)
      }
    }
  }
}
