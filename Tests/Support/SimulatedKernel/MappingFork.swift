/// Mappings of a file in order, none overlapping another (ABI 5.1).
struct MappingFork: Sendable {
  private(set) var records: [WireMapping] = []

  /// What a record takes in the kernel (5.7).
  static let recordBytes = 32
  var bytes: Int { records.count * Self.recordBytes }

  /// The first record that ends behind `position`.
  private func firstIndex(endingBehind position: UInt64) -> Int {
    var (low, high) = (0, records.count)
    while low < high {
      let middle = (low + high) / 2
      if records[middle].end > position { high = middle } else { low = middle + 1 }
    }
    return low
  }

  func lookup(_ position: UInt64) -> WireMapping? {
    let index = firstIndex(endingBehind: position)
    guard index < records.count, records[index].covers(position) else { return nil }
    return records[index]
  }

  /// Removes [start, end), splitting what sticks out. True when anything was there.
  mutating func remove(from start: UInt64, to end: UInt64) -> Bool {
    guard start < end else { return false }
    let first = firstIndex(endingBehind: start)
    var last = first
    var rest: [WireMapping] = []
    while last < records.count, records[last].offset < end {
      let record = records[last]
      if record.offset < start { rest.append(record.part(from: record.offset, to: start)) }
      if record.end > end { rest.append(record.part(from: end, to: record.end)) }
      last += 1
    }
    guard last > first else { return false }
    records.replaceSubrange(first..<last, with: rest)
    return true
  }

  /// Puts in a record where none is, merged with its neighbours if they continue each other.
  mutating func insert(_ mapping: WireMapping) {
    var index = firstIndex(endingBehind: mapping.offset)
    var record = mapping
    if index > 0, records[index - 1].merges(with: record) {
      index -= 1
      record.offset = records[index].offset
      record.address = records[index].address
      record.length = mapping.end - record.offset
      records.remove(at: index)
    }
    if index < records.count, record.merges(with: records[index]) {
      record.length = records[index].end - record.offset
      records[index] = record
    } else {
      records.insert(record, at: index)
    }
  }

  mutating func removeAll() { records = [] }
}

/// What a kernel keeps of an inode's mappings (ABI 5.1).
struct MappingCache: Sendable {
  private(set) var read = MappingFork()
  /// Nil: absent; writes are pure overwrites of the read fork.
  private(set) var write: MappingFork?
  /// Goes up with every change; what was looked up before is stale then (5.6).
  private(set) var sequence: UInt64 = 1

  enum Slot { case read, write }

  /// 5.2: what an operation at `position` finds, or nil for a miss.
  func lookup(_ operation: OperationFlags, _ position: UInt64) -> Hit? {
    var target: WireMapping?
    if operation.isWriteClass, let write {
      guard let found = write.lookup(position) else { return nil }
      if found.type != MappingType.pureOverwrite { target = found }
    }
    guard let source = read.lookup(position) else { return nil }
    let hit = Hit(target: target ?? source, source: source, sequence: sequence)
    return Self.accepts(hit.target.type, operation) ? hit : nil
  }

  struct Hit {
    var target: WireMapping
    var source: WireMapping
    let sequence: UInt64
  }

  /// Step 3 of 5.2.
  static func accepts(_ type: UInt16, _ operation: OperationFlags) -> Bool {
    guard operation.isWriteClass else { return true }
    switch type {
    case MappingType.hole: return !operation.isDisjoint(with: [.zero, .unshare])
    case MappingType.delalloc: return !operation.contains(.direct)
    default: return true
    }
  }

  /// A slot of UPSERT that is not NOCACHE (5.3). `limit` in bytes; 0: none.
  mutating func upsert(_ slot: Slot, _ mapping: WireMapping, limit: Int) {
    if slot == .write && mapping.type == MappingType.pureOverwrite && write == nil { return }
    var fork = slot == .read ? read : write ?? MappingFork()
    // Unset first: the array must not be copied because two own it.
    if slot == .read { read = MappingFork() } else { write = MappingFork() }
    _ = fork.remove(from: mapping.offset, to: mapping.end)
    if limit > 0 && fork.bytes > limit { fork.removeAll() }
    fork.insert(mapping)
    sequence += 1
    if slot == .read { read = fork } else { write = fork }
  }

  /// Removes [start, end) from one fork (5.4). `maximum` is s_maxbytes.
  mutating func remove(_ slot: Slot, from start: UInt64, to end: UInt64, maximum: UInt64) {
    guard slot == .read || write != nil else { return }
    if start == 0 && end >= maximum {
      // Frees the whole fork, and leaves the sequence as it is (ABI 10).
      if slot == .read { read.removeAll() } else { write?.removeAll() }
      return
    }
    let isChanged =
      slot == .read
      ? read.remove(from: start, to: end)
      : write?.remove(from: start, to: end) ?? false
    if isChanged { sequence += 1 }
  }
}
