import CExt2FS
import Journal

/// A node of an extent tree where it lies, in a block or in the inode: a header of 12 bytes, then entries of 12
/// bytes each (Documentation/filesystems/ext4/ifork.rst). Everything is little-endian.
struct ExtentNode {
  static let magic: UInt16 = 0xF30A
  /// The depth that a tree of 2^32 extents takes with the smallest blocks (EXT4_MAX_EXTENT_DEPTH).
  static let maximumDepth = 5
  private static let headerSize = 12
  private static let entrySize = 12

  /// Its buffer's or its inode's, and valid for as long as that.
  private let bytes: UnsafeMutableRawPointer
  /// The entries for which there is room. What is left behind them in a block, at least four bytes, holds the checksum.
  let capacity: Int

  init(_ bytes: UnsafeMutableRawPointer, size: Int) {
    self.bytes = bytes
    capacity = Self.capacity(ofSize: size)
  }

  static func capacity(ofSize size: Int) -> Int { (size - headerSize) / entrySize }

  var entryCount: Int { Int(field(at: 2)) }
  /// The room as the node itself counts it; the checksum stands behind it.
  var maximumEntryCount: Int { Int(field(at: 4)) }
  /// Levels below this one: 0 for a leaf.
  var depth: Int { Int(field(at: 6)) }

  /// All blocks that a file can have.
  static let wholeFile = 0..<UInt64(1) << 32

  /// The header makes sense, so that entries and checksum lie within the node.
  var isValid: Bool {
    field(at: 0) == Self.magic && depth <= Self.maximumDepth && maximumEntryCount <= capacity
      && entryCount <= maximumEntryCount
  }

  /// What a valid node in a block should have behind its room, with metadata_csum: crc32c over the file system's seed, the inode's number
  /// and generation, and the node (ext4_extent_block_csum).
  func checksum(of inode: Inode) -> UInt32 {
    let identity = (inode.number.rawValue.littleEndian, inode.generation.littleEndian)
    let seed = withUnsafeBytes(of: identity) { bytes in
      cext2fs_crc32c(
        inode.volume.superblock.checksumSeed,
        bytes.assumingMemoryBound(to: UInt8.self).baseAddress, bytes.count)
    }
    return cext2fs_crc32c(seed, bytes.assumingMemoryBound(to: UInt8.self), tailOffset)
  }

  var storedChecksum: UInt32 {
    UInt32(littleEndian: bytes.load(fromByteOffset: tailOffset, as: UInt32.self))
  }

  private var tailOffset: Int { Self.headerSize + maximumEntryCount * Self.entrySize }

  /// The header as libext2fs wants it.
  var header: UnsafeMutablePointer<ext3_extent_header> {
    bytes.assumingMemoryBound(to: ext3_extent_header.self)
  }

  /// The entries of a valid node, in order: extents that lie on the device and do not overlap, or references whose first blocks rise.
  func isOrdered(on volume: Volume) -> Bool {
    var end: UInt64 = 0
    for entry in entries {
      guard UInt64(entry.logical) >= end else { return false }
      if depth > 0 {
        end = UInt64(entry.logical) + 1
      } else {
        let extent = entry.extent
        guard extent.count > 0, volume.contains(extent.physical, count: UInt64(extent.count))
        else { return false }
        end = extent.end
      }
    }
    return true
  }

  /// Whether an ordered node describes no blocks of the file but those in `range`.
  func fits(_ range: Range<UInt64>) -> Bool {
    guard entryCount > 0 else { return true }
    let last = entry(at: entryCount - 1)
    return UInt64(entry(at: 0).logical) >= range.lowerBound
      && (depth > 0 ? UInt64(last.logical) + 1 : last.extent.end) <= range.upperBound
  }

  /// The last entry that begins at `block` or before it; 0 if there is none.
  func lastEntry(beginningAtOrBefore block: UInt32) -> Int {
    var low = 0
    var high = entryCount
    while low < high {
      let middle = (low + high) / 2
      if entry(at: middle).logical <= block { low = middle + 1 } else { high = middle }
    }
    return max(low - 1, 0)
  }

  /// An entry of a valid node.
  @inline(__always)
  func entry(at index: Int) -> Entry {
    let offset = Self.headerSize + index * Self.entrySize
    func word(_ place: Int) -> UInt32 {
      UInt32(littleEndian: bytes.load(fromByteOffset: offset + 4 * place, as: UInt32.self))
    }
    return Entry(words: (word(0), word(1), word(2)))
  }

  /// The entries of a valid node.
  var entries: some Sequence<Entry> { (0..<entryCount).lazy.map { entry(at: $0) } }

  /// Replaces all that the node holds by `entries`, no more than `capacity`. The checksum is the caller's business.
  func fill(with entries: ArraySlice<Entry>, depth: Int) {
    let size = Self.headerSize + capacity * Self.entrySize
    bytes.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    setField(at: 0, to: Self.magic)
    setField(at: 2, to: UInt16(entries.count))
    setField(at: 4, to: UInt16(capacity))
    setField(at: 6, to: UInt16(depth))
    var offset = Self.headerSize
    for entry in entries {
      for word in [entry.words.0, entry.words.1, entry.words.2] {
        bytes.storeBytes(of: word.littleEndian, toByteOffset: offset, as: UInt32.self)
        offset += 4
      }
    }
  }

  private func field(at offset: Int) -> UInt16 {
    UInt16(littleEndian: bytes.load(fromByteOffset: offset, as: UInt16.self))
  }

  private func setField(at offset: Int, to value: UInt16) {
    bytes.storeBytes(of: value.littleEndian, toByteOffset: offset, as: UInt16.self)
  }
}

extension ExtentNode {
  /// An extent in a leaf (struct ext4_extent), or a reference to a node below (struct ext4_extent_idx).
  struct Entry {
    fileprivate private(set) var words: (UInt32, UInt32, UInt32)

    fileprivate init(words: (UInt32, UInt32, UInt32)) { self.words = words }

    init(_ extent: Extent) {
      // Lengths up to 0x8000 are written extents, those above, less 0x8000, unwritten ones.
      let length = extent.isUnwritten ? extent.count + 0x8000 : extent.count
      let physical = extent.physical.rawValue
      words = (
        extent.logical, length | UInt32(truncatingIfNeeded: physical >> 32) << 16,
        UInt32(truncatingIfNeeded: physical)
      )
    }

    /// A reference to the node in `child`, whose first entry begins at block `logical` of the file.
    init(child: BlockNumber, logical: UInt32) {
      words = (
        logical, UInt32(truncatingIfNeeded: child.rawValue),
        UInt32(truncatingIfNeeded: child.rawValue >> 32) & 0xFFFF
      )
    }

    /// The first block of the file that lies behind the entry.
    var logical: UInt32 {
      get { words.0 }
      set { words.0 = newValue }
    }

    var child: BlockNumber { BlockNumber(UInt64(words.2 & 0xFFFF) << 32 | UInt64(words.1)) }

    /// Its count is 0 where the image is damaged.
    var extent: Extent {
      let length = words.1 & 0xFFFF
      return Extent(
        logical: words.0, physical: BlockNumber(UInt64(words.1 >> 16) << 32 | UInt64(words.2)),
        count: length > 0x8000 ? length - 0x8000 : length, isUnwritten: length > 0x8000)
    }
  }
}

extension Inode {
  /// The root of the extent tree, which lies in place of the block map. Metadata lock held.
  var rootNode: ExtentNode {
    ExtentNode(blockField.baseAddress!, size: blockField.count)
  }
}
