/// Where the metadata of a sound image is, and what its checksums are over.
public struct ImageMap: Sendable {
  public internal(set) var objects: [MetadataObject] = []
  /// Blocks with metadata, by their places in bytes.
  public internal(set) var blocks: [Int] = []
  var sites: [ChecksumSite] = []
  public let blockSize: Int

  /// Reads an image that is sound. What is not is left out.
  public init(_ bytes: ImageBytes) {
    blockSize = Geometry(bytes).blockSize
    var builder = ImageMapBuilder(bytes)
    builder.build()
    objects = builder.objects
    sites = builder.sites
    blocks = builder.blocks.sorted()
  }
}

/// Something that has a checksum, at a place in bytes. What its superblock and inodes say then counts when it is put right.
enum ChecksumSite: Sendable {
  case inode(Int, number: Int)
  case extentBlock(Int, inode: Int, at: Int)
  case directoryBlock(Int, inode: Int, at: Int)
  /// `limits`: where limit and count are within the block.
  case hashTree(Int, limits: Int, inode: Int, at: Int)
  case attributeBlock(Int, block: Int)
  case orphanBlock(Int, block: Int, inode: Int, at: Int)
  case group(Int)
  /// A tag in a descriptor block of the log, and the block that it is about.
  case journalTag(Int, block: Int, journal: Int)
  case journalTail(Int, journal: Int)
  case journalCommit(Int, journal: Int)
  case journalSuperblock(Int)
  case superblock
}

/// Finds the metadata of an image, starting from its superblock.
struct ImageMapBuilder {
  let bytes: ImageBytes
  let geometry: Geometry
  var objects: [MetadataObject] = []
  var sites: [ChecksumSite] = []
  var blocks: Set<Int> = []
  /// How many inodes of each class have been taken with all their fields.
  private var taken: [String: Int] = [:]

  init(_ bytes: ImageBytes) {
    self.bytes = bytes
    geometry = Geometry(bytes)
  }

  mutating func add(
    _ kind: MetadataKind, _ name: String, at offset: Int, _ fields: [MetadataField]
  ) {
    objects.append(MetadataObject(kind: kind, name: name, offset: offset, fields: fields))
    addBlock(offset)
  }

  mutating func addBlock(_ offset: Int) {
    blocks.insert(offset / geometry.blockSize * geometry.blockSize)
  }

  mutating func build() {
    add(.superblock, "", at: Geometry.superblock, FieldTables.superblock)
    for group in 0..<geometry.groupCount { addGroup(group) }
    let count = geometry.groupCount * geometry.inodesPerGroup
    for number in 1..<max(count + 1, 1) { addInode(number) }
    sites += (0..<geometry.groupCount).map { .group($0) }
    sites.append(.superblock)
  }

  private mutating func addGroup(_ group: Int) {
    let descriptor = geometry.descriptor(group)
    // The first two, and the last.
    guard group < 2 || group == geometry.groupCount - 1 else { return }
    add(
      .groupDescriptor, "\(group)", at: descriptor,
      FieldTables.groupDescriptor
        + (geometry.descriptorSize >= 64 ? FieldTables.wideGroupDescriptor : []))
    guard group == 0 || group == geometry.groupCount - 1 else { return }
    let words = [0, 1, 2, 3, geometry.blockSize / 4 - 1].map {
      MetadataField("word[\($0)]", 4 * $0, 4)
    }
    for (place, kind) in [(0, MetadataKind.blockBitmap), (4, .inodeBitmap)] {
      let block = geometry.block(at: place, of: group, bytes)
      guard block > 0 else { continue }
      add(kind, "of group \(group)", at: block * geometry.blockSize, words)
    }
  }

  private mutating func addInode(_ number: Int) {
    let offset = geometry.inode(number, bytes)
    let mode = bytes.little16(offset)
    let links = bytes.little16(offset + 0x1A)
    guard bytes.contains(offset, geometry.inodeSize), mode != 0 else { return }
    sites.append(.inode(offset, number: number))
    let flags = bytes.number(at: offset + 0x20, size: 4)
    let isDirectory = mode & 0xF000 == 0x4000
    var name = isDirectory ? "directory" : mode & 0xF000 == 0x8000 ? "file" : "other"
    if mode & 0xF000 == 0xA000 { name = "symbolic link" }
    if flags & 0x1000 != 0 { name += ", indexed" }
    if flags & 0x1000_0000 != 0 { name += ", inline" }
    if flags & 0x20_0000 != 0 { name += ", value" }
    if links == 0 { name += ", orphan" }
    if flags & 0x8_0000 == 0, flags & 0x1000_0000 == 0 { name += ", mapped by blocks" }
    if bytes.little16(offset + 0x28 + 6) > 0, flags & 0x8_0000 != 0 { name += ", deep" }
    if bytes.little32(offset + 0x68) != 0 { name += ", with attributes" }
    let isOwn = number < 11 && number != 2
    if isOwn || number == bytes.little32(Geometry.superblock + 0x280) { name = "own" }
    let limit = name == "own" ? 4 : 1
    if taken[name, default: 0] < limit {
      taken[name, default: 0] += 1
      add(
        .inode, "\(number) (\(name))", at: offset,
        FieldTables.inode + (geometry.inodeSize > 128 ? FieldTables.largeInode : []))
    }
    addBlock(offset)
    addContents(number, offset, flags: flags, isDirectory: isDirectory, mode: mode)
  }

  private mutating func addContents(
    _ number: Int, _ offset: Int, flags: UInt64, isDirectory: Bool, mode: Int
  ) {
    addAttributes(number, offset)
    if flags & 0x1000_0000 != 0 {
      if isDirectory { addInlineDirectory(number, offset) }
      return
    }
    let isLink = mode & 0xF000 == 0xA000
    let isFile = mode & 0xF000 == 0x8000
    guard isDirectory || isFile || isLink && bytes.little32(offset + 4) >= 60 else { return }
    let map = fileBlocks(number, offset)
    if isDirectory { addDirectory(number, offset, flags, map) }
    if number == bytes.little32(Geometry.superblock + 0xE0) { addJournal(map) }
    if number == bytes.little32(Geometry.superblock + 0x280) {
      addOrphanFile(number, offset, map)
    }
  }

  private mutating func addOrphanFile(_ number: Int, _ offset: Int, _ map: [Int: Int]) {
    for (logical, block) in map.sorted(by: { $0.key < $1.key }) {
      let place = block * geometry.blockSize
      sites.append(.orphanBlock(place, block: block, inode: number, at: offset))
      guard logical < 2 else { continue }
      add(
        .orphanFile, "block \(logical)", at: place,
        (0..<3).map { MetadataField("inode[\($0)]", 4 * $0, 4) } + [
          MetadataField("magic", geometry.blockSize - 8, 4),
          MetadataField("checksum", geometry.blockSize - 4, 4),
        ])
    }
  }
}
