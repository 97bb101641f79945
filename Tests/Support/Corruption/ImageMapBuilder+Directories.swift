// Directories and extended attributes.
extension ImageMapBuilder {
  mutating func addDirectory(_ number: Int, _ inode: Int, _ flags: UInt64, _ map: [Int: Int]) {
    var nodes: Set<Int> = []
    if flags & 0x1000 != 0, let root = map[0] {
      nodes = addHashTree(number, inode, root * geometry.blockSize, map)
    }
    var leaves = 0
    for (logical, block) in map.sorted(by: { $0.key < $1.key }) where !nodes.contains(logical) {
      let place = block * geometry.blockSize
      guard bytes.contains(place, geometry.blockSize) else { continue }
      if geometry.hasChecksums {
        sites.append(.directoryBlock(place, inode: number, at: inode))
      }
      leaves += 1
      guard leaves <= 2 else { continue }
      addEntries(
        .directoryEntry, "in block \(logical) of inode \(number)", place..<place + tailPlace)
      if geometry.hasChecksums {
        add(
          .directoryTail, "of block \(logical) of inode \(number)", at: place + tailPlace,
          FieldTables.directoryTail)
      }
    }
  }

  private var tailPlace: Int { geometry.blockSize - (geometry.hasChecksums ? 12 : 0) }

  private mutating func addEntries(_ kind: MetadataKind, _ name: String, _ range: Range<Int>) {
    var places: [Int] = []
    var place = range.lowerBound
    while place + 8 <= range.upperBound {
      let length = bytes.little16(place + 4)
      guard length >= 8 else { break }
      places.append(place)
      place += length
    }
    for (index, place) in places.enumerated() where index < 4 || index == places.count - 1 {
      add(kind, "\(index) \(name)", at: place, FieldTables.directoryEntry)
    }
  }

  /// Returns the blocks of the directory that are nodes.
  private mutating func addHashTree(
    _ number: Int, _ inode: Int, _ root: Int, _ map: [Int: Int]
  ) -> Set<Int> {
    var nodes: Set<Int> = [0]
    add(.hashTreeRoot, "of inode \(number)", at: root, FieldTables.hashTreeRoot)
    addTail(number, inode, root, limits: 0x20)
    guard bytes.number(at: root + 0x1E, size: 1) > 0 else { return nodes }
    for index in 0..<bytes.little16(root + 0x22) {
      let logical = bytes.little32(root + 0x20 + 8 * index + 4)
      guard let block = map[logical] else { continue }
      nodes.insert(logical)
      let place = block * geometry.blockSize
      add(.hashTreeNode, "\(index) of inode \(number)", at: place, FieldTables.hashTreeNode)
      addTail(number, inode, place, limits: 8)
    }
    return nodes
  }

  private mutating func addTail(_ number: Int, _ inode: Int, _ place: Int, limits: Int) {
    guard geometry.hasChecksums else { return }
    sites.append(.hashTree(place, limits: limits, inode: number, at: inode))
    add(
      .hashTreeTail, "of inode \(number)",
      at: place + limits + 8 * bytes.little16(place + limits), FieldTables.hashTreeTail)
  }

  mutating func addInlineDirectory(_ number: Int, _ inode: Int) {
    add(
      .inlineDirectory, "parent of inode \(number)", at: inode + 0x28,
      [MetadataField("parent", 0, 4)])
    addEntries(.inlineDirectory, "in inode \(number)", inode + 0x2C..<inode + 0x28 + 60)
  }

  mutating func addAttributes(_ number: Int, _ inode: Int) {
    if geometry.inodeSize > 128 {
      let body = inode + 128 + bytes.little16(inode + 0x80)
      if body + 4 < inode + geometry.inodeSize, bytes.little32(body) == 0xEA02_0000 {
        add(
          .bodyAttribute, "header, inode \(number)", at: body, [MetadataField("magic", 0, 4)])
        addAttributeEntries(
          .bodyAttribute, "inode \(number)", from: body + 4, until: inode + geometry.inodeSize)
      }
    }
    let block = bytes.little16(inode + 0x76) << 32 | bytes.little32(inode + 0x68)
    let place = block * geometry.blockSize
    guard block > 0, bytes.contains(place, geometry.blockSize),
      bytes.little32(place) == 0xEA02_0000
    else { return }
    sites.append(.attributeBlock(place, block: block))
    add(.attributeBlock, "of inode \(number)", at: place, FieldTables.attributeBlock)
    addAttributeEntries(
      .attributeEntry, "inode \(number)", from: place + 32, until: place + geometry.blockSize)
  }

  private mutating func addAttributeEntries(
    _ kind: MetadataKind, _ name: String, from start: Int, until end: Int
  ) {
    var place = start
    var index = 0
    while place + 16 <= end, bytes.little32(place) != 0, index < 4 {
      add(kind, "\(index) of \(name)", at: place, FieldTables.attributeEntry)
      place += 16 + (Int(bytes.number(at: place, size: 1)) + 3) / 4 * 4
      index += 1
    }
  }
}
