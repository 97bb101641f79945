import CExt2FS
import IomapCache
import Journal

// From file positions to device positions. One code path decides mappings, for files, directories and links.
extension Inode {
  /// The mapping that covers `position`, from the cache or else from disk. It may reach far beyond. `io` held
  /// or, for what is not a regular file, the metadata lock; pass true for `metadataHeld` in that case.
  @inline(__always)
  func mapping(at position: FileOffset, metadataHeld: Bool = false) throws(Ext4Error) -> Mapping {
    if let known = mappings.lookup(position, for: .read) { return known }
    if metadataHeld { return try loadMappings(at: position) }
    return try volume.withMetadata { () throws(Ext4Error) in
      try loadMappings(at: position)
    }
  }

  /// The physical block of logical block `block`; nil for a hole or an unwritten block. Metadata lock held.
  func block(at block: LogicalBlock) throws(Ext4Error) -> BlockNumber? {
    let position = FileOffset(UInt64(block.rawValue) << volume.blockShift)
    let mapping = try mapping(at: position, metadataHeld: true)
    guard mapping.kind == .mapped else { return nil }
    return BlockNumber(mapping.address(of: position).rawValue >> volume.blockShift)
  }

  /// Mappings learnt from disk at a time: enough for any file that is not badly fragmented.
  private static let window = 512

  /// Reads mappings from disk into the cache, from the one that covers `position` on, and returns that one.
  /// Metadata lock held.
  private func loadMappings(at position: FileOffset) throws(Ext4Error) -> Mapping {
    volume.mappingStatistics.noteMiss()
    let found =
      flags.contains(.extents)
      ? try loadExtents(at: position) : try loadIndirectBlocks(at: position)
    let answer = mappings.withReadFork { cache in
      if cache.count > volume.mappingBudget.largestFile { cache.removeAll() }
      for mapping in found { cache.upsert(mapping) }
      return cache.lookup(position) ?? .hole(at: position, length: UInt64(volume.blockSize))
    }
    volume.account(for: self)
    return answer
  }

  /// Brings the mappings of the whole file into memory. Metadata lock not held.
  public func loadAllMappings() throws(Ext4Error) {
    guard isRegularFile, !hasInlineData.load(ordering: .acquiring) else { return }
    try io.withReadLock { () throws(Ext4Error) in
      var walk = MappingWalk(over: self)
      var position = FileOffset(0)
      let end = FileOffset(sizeInBytes.load(ordering: .acquiring))
      while position < end { position = try walk.pass(try mapping(at: position), from: position) }
    }
  }

  /// Where the `count` bytes from `position` on are on the device, if they are in one piece there; nil otherwise, and where they are
  /// nowhere, or in the inode. Metadata lock not held.
  public func devicePosition(
    at position: UInt64, count: UInt64
  ) throws(Ext4Error) -> UInt64? {
    guard isRegularFile, !hasInlineData.load(ordering: .acquiring) else { return nil }
    return try io.withReadLock { () throws(Ext4Error) in
      let offset = FileOffset(position)
      let mapping = try mapping(at: offset)
      guard mapping.kind == .mapped, mapping.end - offset >= count else { return nil }
      return mapping.address(of: offset).rawValue
    }
  }

  /// The end of the largest file that the map can describe, in bytes.
  var mapEnd: FileOffset { FileOffset(1 << (32 + volume.blockShift)) }

  /// Whether blocks of the map may be handed out behind the mappings that were found: they are not the file system's own. EUCLEAN if none was
  /// found. They are judged here, and not in the tree, so that a file that claims such blocks can be deleted.
  private func isMappable(
    _ first: BlockNumber, _ count: UInt64, after found: [Mapping]
  ) throws(Ext4Error) -> Bool {
    if volume.isForFiles(first, count: count) { return true }
    guard !found.isEmpty else {
      throw .corrupted(number, what: "a file claims blocks of the file system's own")
    }
    return false
  }

  private func loadExtents(at position: FileOffset) throws(Ext4Error) -> [Mapping] {
    guard position < mapEnd else { return [.hole(at: position, length: .max - position.rawValue)] }
    var search = ExtentSearch(of: self)
    let start = LogicalBlock(UInt32(position.rawValue >> volume.blockShift))
    var found: [Mapping] = []
    var behind = FileOffset(UInt64(start.rawValue) << volume.blockShift)
    var extent = try search.extent(coveringOrBehind: start.rawValue)
    while let current = extent {
      let mapping = current.mapping(blockShift: volume.blockShift)
      if mapping.offset > behind {
        found.append(.hole(at: behind, length: mapping.offset - behind))
      }
      guard try isMappable(current.physical, UInt64(current.count), after: found) else {
        return found
      }
      found.append(mapping)
      behind = mapping.end
      guard found.count < Self.window else { return found }
      extent = try search.next()
    }
    if behind < mapEnd { found.append(.hole(at: behind, length: mapEnd - behind)) }
    return found
  }

  /// Files of ext2 and ext3.
  private func loadIndirectBlocks(at position: FileOffset) throws(Ext4Error) -> [Mapping] {
    guard position < mapEnd else { return [.hole(at: position, length: .max - position.rawValue)] }
    var found: [Mapping] = []
    var arrays: [BlockNumber: UInt64] = [:]
    var block = position.rawValue >> volume.blockShift
    let end = mapEnd.rawValue >> volume.blockShift
    while block < end, found.count < Self.window {
      let run = try indirectRun(at: block)
      if let array = run.array,
        arrays.updateValue(array.start, forKey: array.block) ?? array.start != array.start
      {
        throw .corrupted(number, what: "a block map uses an array of pointers twice")
      }
      let offset = FileOffset(block << volume.blockShift)
      let length = min(run.count, end - block) << volume.blockShift
      if let first = run.first {
        guard try isMappable(first, run.count, after: found) else { return found }
        found.append(
          Mapping(
            offset: offset, length: length,
            address: DeviceOffset(first.rawValue << volume.blockShift), kind: .mapped))
      } else {
        found.append(.hole(at: offset, length: length))
      }
      block += run.count
    }
    return found
  }
}
