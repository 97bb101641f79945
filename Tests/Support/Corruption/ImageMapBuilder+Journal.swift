// The journal in the image.
extension ImageMapBuilder {
  mutating func addJournal(_ map: [Int: Int]) {
    guard let first = map[0] else { return }
    let superblock = first * geometry.blockSize
    guard bytes.big32(superblock) == 0xC03B_3998 else { return }
    add(.journalSuperblock, "", at: superblock, FieldTables.journalSuperblock)
    addLog(map, superblock)
    sites.append(.journalSuperblock(superblock))
  }

  /// Follows the log from where it begins.
  private mutating func addLog(_ map: [Int: Int], _ superblock: Int) {
    var position = bytes.big32(superblock + 28)
    var sequence = bytes.big32(superblock + 24)
    guard position != 0 else { return }
    let last = bytes.big32(superblock + 16)
    func place(_ position: Int) -> Int {
      let wrapped = position < last ? position : position - last + bytes.big32(superblock + 20)
      return (map[wrapped] ?? 0) * geometry.blockSize
    }
    for _ in 0..<last {
      let block = place(position)
      guard bytes.contains(block, geometry.blockSize), bytes.big32(block) == 0xC03B_3998,
        bytes.big32(block + 8) == sequence
      else { return }
      addBlock(block)
      position += 1
      switch bytes.big32(block + 4) {
      case 1:
        for tag in tags(block, superblock) {
          sites.append(.journalTag(tag, block: place(position), journal: superblock))
          position += 1
        }
        addDescriptor(block, superblock, sequence)
      case 2:
        add(.journalCommit, "\(sequence)", at: block, FieldTables.journalCommit)
        sites.append(.journalCommit(block, journal: superblock))
        sequence += 1
      case 5:
        add(
          .journalRevoke, "\(sequence)", at: block,
          FieldTables.journalRevoke
            + (0..<2).map {
              MetadataField("block[\($0)]", 16 + 8 * $0, 8, isBigEndian: true)
            } + [tail])
        sites.append(.journalTail(block, journal: superblock))
      default: return
      }
    }
  }

  private var tail: MetadataField {
    MetadataField("checksum", geometry.blockSize - 4, 4, isBigEndian: true)
  }

  private func hasWideTags(_ superblock: Int) -> Bool { bytes.big32(superblock + 40) & 2 != 0 }

  private func tagSize(_ superblock: Int) -> Int {
    let features = bytes.big32(superblock + 40)
    if features & 0x10 != 0 { return 16 }
    return 8 + (features & 2 != 0 ? 4 : 0) + (features & 8 != 0 ? 2 : 0)
  }

  private func tags(_ block: Int, _ superblock: Int) -> [Int] {
    var result: [Int] = []
    var place = block + 12
    let size = tagSize(superblock)
    while place + size <= block + geometry.blockSize {
      result.append(place)
      let flags = bytes.big32(place + 4)
      place += size + (flags & 2 != 0 ? 0 : 16)
      if flags & 8 != 0 { break }
    }
    return result
  }

  private mutating func addDescriptor(_ block: Int, _ superblock: Int, _ sequence: Int) {
    sites.append(.journalTail(block, journal: superblock))
    var fields = FieldTables.journalHeader
    for (index, tag) in tags(block, superblock).enumerated() where index < 2 {
      let offset = tag - block
      for (name, place, size) in [
        ("blocknr", 0, 4), ("flags", 4, 4), ("blocknr_high", 8, 4), ("checksum", 12, 4),
      ] where place < tagSize(superblock) {
        fields.append(
          MetadataField("tag[\(index)].\(name)", offset + place, size, isBigEndian: true))
      }
    }
    add(.journalDescriptor, "\(sequence)", at: block, fields + [tail])
  }
}
