// The blocks of files: extent trees and indirect blocks.
extension ImageMapBuilder {
  /// The file's blocks by their place in it.
  mutating func fileBlocks(_ number: Int, _ inode: Int) -> [Int: Int] {
    var map: [Int: Int] = [:]
    if bytes.number(at: inode + 0x20, size: 4) & 0x8_0000 != 0 {
      addExtents(number, inode, at: inode + 0x28, name: "\(number)", &map, depth: 0)
      return map
    }
    for index in 0..<12 {
      let block = bytes.little32(inode + 0x28 + 4 * index)
      if block != 0 { map[index] = block }
    }
    let perBlock = geometry.blockSize / 4
    var start = 12
    var span = 1
    for level in 1...3 {
      let block = bytes.little32(inode + 0x28 + 4 * (11 + level))
      span *= perBlock
      if block != 0 { addIndirect(block, level: level, "\(number)", start, &map) }
      start += span
    }
    return map
  }

  private mutating func addIndirect(
    _ block: Int, level: Int, _ name: String, _ start: Int, _ map: inout [Int: Int]
  ) {
    let place = block * geometry.blockSize
    guard bytes.contains(place, geometry.blockSize) else { return }
    let perBlock = geometry.blockSize / 4
    let words = [0, 1, 2, perBlock - 1]
    add(
      .indirectBlock, "of inode \(name), level \(level)", at: place,
      words.map { MetadataField("block[\($0)]", 4 * $0, 4) })
    var span = 1
    for _ in 1..<level { span *= perBlock }
    for index in 0..<perBlock {
      let next = bytes.little32(place + 4 * index)
      guard next != 0 else { continue }
      if level == 1 {
        map[start + index] = next
      } else {
        addIndirect(next, level: level - 1, name, start + index * span, &map)
      }
    }
  }

  private mutating func addExtents(
    _ number: Int, _ inode: Int, at node: Int, name: String, _ map: inout [Int: Int], depth: Int
  ) {
    guard bytes.little16(node) == 0xF30A, depth < 6 else { return }
    let entries = bytes.little16(node + 2)
    let level = bytes.little16(node + 6)
    if depth > 0 { sites.append(.extentBlock(node, inode: number, at: inode)) }
    let isOften = entries > 0 || depth > 0
    if isOften {
      var fields = FieldTables.extentHeader
      if depth > 0 {
        fields.append(MetadataField("checksum", 12 + 12 * bytes.little16(node + 4), 4))
      }
      add(.extentHeader, "of inode \(name), level \(level)", at: node, fields)
    }
    for index in 0..<entries {
      let entry = node + 12 + 12 * index
      let isSample = index < 2 || index == entries - 1
      if level == 0 {
        if isSample {
          add(.extentLeaf, "\(index) of inode \(name)", at: entry, FieldTables.extent)
        }
        let length = bytes.little16(entry + 4)
        let first = bytes.little16(entry + 6) << 32 | bytes.little32(entry + 8)
        for within in 0..<(length > 32768 ? length - 32768 : length) {
          map[bytes.little32(entry) + within] = first + within
        }
      } else {
        if isSample {
          add(
            .extentIndex, "\(index) of inode \(name), level \(level)", at: entry,
            FieldTables.extentIndex)
        }
        let block = bytes.little16(entry + 8) << 32 | bytes.little32(entry + 4)
        let place = block * geometry.blockSize
        guard bytes.contains(place, geometry.blockSize) else { continue }
        if isSample {
          addExtents(number, inode, at: place, name: name, &map, depth: depth + 1)
        } else {
          sites.append(.extentBlock(place, inode: number, at: inode))
        }
      }
    }
  }
}
