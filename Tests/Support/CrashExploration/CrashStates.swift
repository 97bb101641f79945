import TestSupport

/// The disks that a power cut may leave at any point of a log: every prefix, and for each stretch between two flushes what is left
/// when a write is missing, is alone, is torn, or when chance decides. Each is there once.
public struct CrashStates: Sendable {
  /// What happened between two flushes.
  struct Epoch: Sendable {
    /// What is on stable storage.
    let image: DiskImage
    /// The events that are writes and may or may not reach the disk.
    let pending: [Int]
    /// Those of them that are on stable storage when it ends.
    let flushed: Set<Int>
    /// The event that ends it: a flush has returned.
    let end: Int
  }

  /// A part of a write.
  struct Piece: Sendable {
    var event: Int
    var bytes: Range<Int>
  }

  private let log: WriteLog
  private(set) var epochs: [Epoch] = []
  public private(set) var states: [CrashState] = []
  /// How many there would have been without a limit, some of them equal.
  public private(set) var possible = 0

  private var hashes: [ContentHash: Int] = [:]
  private var progress: [Expectation] = []

  /// - Parameters:
  ///   - limit: about how many states to make at most. Prefixes come first; chance chooses from the rest.
  ///   - randomPerEpoch: how many subsets to choose by chance in each stretch between two flushes.
  ///   - acknowledged: operations that were on stable storage before the log began.
  public init(
    _ image: DiskImage, _ log: WriteLog, seed: UInt64, limit: Int, randomPerEpoch: Int = 8,
    expecting start: Expectation = Expectation(synchronized: 0, begun: 0)
  ) {
    self.log = log
    findProgress(from: start)
    findEpochs(image)
    var random = SeededGenerator(seed: seed)
    var hash = ContentHash()
    let chosen = chooseCuts(limit: limit, randomPerEpoch: randomPerEpoch, &random)
    for (number, epoch) in epochs.enumerated() {
      addPrefixes(of: number, from: hash, chosen.prefixes)
      for cut in chosen.others[number] { add(cut, hash: self.hash(of: cut, from: hash)) }
      if number + 1 < epochs.count {
        let flushed = epoch.pending.filter(epoch.flushed.contains).map { whole($0) }
        hash = self.hash(of: flushed, on: epoch.image, from: hash)
      }
    }
  }

  // MARK: The log

  private func write(_ event: Int) -> (offset: Int, bytes: [UInt8]) {
    guard case .write(let offset, let bytes) = log.events[event] else { return (0, []) }
    return (offset, bytes)
  }

  private func whole(_ event: Int) -> Piece {
    Piece(event: event, bytes: 0..<write(event).bytes.count)
  }

  private mutating func findProgress(from start: Expectation) {
    var now = start
    progress = [now]
    for event in log.events {
      if case .mark(let mark) = event {
        switch mark {
        case .began(let operation): now.begun = max(now.begun, operation)
        case .finished: break
        case .synchronized(let operation): now.synchronized = max(now.synchronized, operation)
        }
      }
      progress.append(now)
    }
  }

  private mutating func findEpochs(_ image: DiskImage) {
    var image = image
    var pending: [Int] = []
    for (index, event) in log.events.enumerated() {
      switch event {
      case .mark: break
      case .write: pending.append(index)
      case .flushed(let before, let area):
        let flushed = pending.filter { $0 < before && area.contains(write($0).offset) }
        epochs.append(Epoch(image: image, pending: pending, flushed: Set(flushed), end: index))
        for write in flushed { apply(whole(write), to: &image) }
        pending.removeAll(where: epochs[epochs.count - 1].flushed.contains)
      }
    }
    epochs.append(
      Epoch(image: image, pending: pending, flushed: [], end: log.events.count))
  }

  private func apply(_ piece: Piece, to image: inout DiskImage) {
    let (offset, bytes) = write(piece.event)
    bytes.withUnsafeBytes {
      image.write(
        UnsafeRawBufferPointer(rebasing: $0[piece.bytes]), at: offset + piece.bytes.lowerBound)
    }
  }

  // MARK: Choosing

  private mutating func chooseCuts(
    limit: Int, randomPerEpoch: Int, _ random: inout SeededGenerator
  ) -> (prefixes: Set<Int>, others: [[Cut]]) {
    var prefixes = Set(0..<log.events.count + 1)
    var others: [Cut] = []
    for (number, epoch) in epochs.enumerated() where !epoch.pending.isEmpty {
      let count = epoch.pending.count
      var choices: [Cut.Choice] = []
      if count > 1 {
        choices += (0..<count).flatMap { [Cut.Choice.without($0), .only($0)] }
        choices += (0..<randomPerEpoch).map { _ in .random(seed: random.next()) }
      }
      for (index, event) in epoch.pending.enumerated()
      where write(event).bytes.count > DiskImage.sectorSize {
        let tears: [Cut.Tear] =
          write(event).bytes.count > 2 * DiskImage.sectorSize ? Cut.Tear.allCases : [.first, .last]
        choices += tears.map { .torn(index, $0) }
      }
      for choice in choices {
        var point = epoch.end
        if case .torn(let index, _) = choice {
          point = max(epoch.pending[index] + 1, start(of: number))
        }
        others.append(Cut(epoch: number, choice: choice, point: point))
      }
    }
    let writes = log.writeCount
    possible = writes + 1 + others.count
    if writes > limit {
      prefixes = Set((0..<limit).map { _ in random.number(0..<log.events.count + 1) })
    }
    let room = max(limit - writes, limit / 4)
    if others.count > room { others = Array(others.shuffled(using: &random).prefix(room)) }
    var byEpoch = Array(repeating: [Cut](), count: epochs.count)
    for cut in others { byEpoch[cut.epoch].append(cut) }
    return (prefixes, byEpoch)
  }

  /// The first point that belongs to an epoch: behind the flush that ends the one before.
  private func start(of epoch: Int) -> Int { epoch == 0 ? 0 : epochs[epoch - 1].end + 1 }

  private mutating func addPrefixes(of number: Int, from start: ContentHash, _ chosen: Set<Int>) {
    let epoch = epochs[number]
    var builder = HashBuilder(image: epoch.image, hash: start)
    var count = 0
    for point in self.start(of: number)...epoch.end {
      while count < epoch.pending.count, epoch.pending[count] < point {
        let (offset, bytes) = write(epoch.pending[count])
        builder.write(bytes[...], at: offset)
        count += 1
      }
      // Marks change what is expected of the same disk: those are taken along, whatever was chosen.
      if chosen.contains(point) || hashes[builder.hash] != nil {
        add(Cut(epoch: number, choice: .prefix(count), point: point), hash: builder.hash)
      }
    }
  }

  private mutating func add(_ cut: Cut, hash: ContentHash) {
    let expectation = progress[cut.point]
    guard let index = hashes[hash] else {
      hashes[hash] = states.count
      states.append(CrashState(cut: cut, expectations: [expectation]))
      return
    }
    // The earlier points come first: of those with the same lower bound the first is the strictest.
    let known = states[index].expectations
    let isImplied = known.contains {
      $0.synchronized == expectation.synchronized && $0.begun <= expectation.begun
    }
    guard !isImplied else { return }
    states[index].expectations.removeAll {
      $0.synchronized == expectation.synchronized && $0.begun > expectation.begun
    }
    states[index].expectations.append(expectation)
  }

  private func hash(of cut: Cut, from start: ContentHash) -> ContentHash {
    hash(of: pieces(of: cut), on: epochs[cut.epoch].image, from: start)
  }

  private func hash(of pieces: [Piece], on image: DiskImage, from start: ContentHash) -> ContentHash
  {
    var builder = HashBuilder(image: image, hash: start)
    for piece in pieces {
      let (offset, bytes) = write(piece.event)
      builder.write(bytes[piece.bytes], at: offset + piece.bytes.lowerBound)
    }
    return builder.hash
  }

  // MARK: Making a disk

  /// Makes `buffer` the disk that the cut leaves.
  public func build(_ cut: Cut, in buffer: UnsafeMutableRawBufferPointer) {
    epochs[cut.epoch].image.copy(into: buffer)
    for piece in pieces(of: cut) {
      let (offset, bytes) = write(piece.event)
      let target = UnsafeMutableRawBufferPointer(
        rebasing: buffer[offset + piece.bytes.lowerBound..<offset + piece.bytes.upperBound])
      target.copyBytes(from: bytes[piece.bytes])
    }
  }

  /// The disk that the cut leaves, to be written to.
  func image(after cut: Cut) -> DiskImage {
    var image = epochs[cut.epoch].image
    for piece in pieces(of: cut) { apply(piece, to: &image) }
    return image
  }

  /// What of the unflushed writes reaches the disk, in order.
  private func pieces(of cut: Cut) -> [Piece] {
    let pending = epochs[cut.epoch].pending
    switch cut.choice {
    case .prefix(let count): return pending.prefix(count).map { whole($0) }
    case .only(let index): return [whole(pending[index])]
    case .without(let index):
      return pending.indices.filter { $0 != index }.map { whole(pending[$0]) }
    case .torn(let index, let tear):
      return pending.prefix(index).map { whole($0) } + [part(of: pending[index], tear)]
    case .random(let seed):
      var random = SeededGenerator(seed: seed)
      let share = random.number(1..<8)
      return pending.compactMap { event in
        guard random.number(0..<8) < share else { return nil }
        return random.oneIn(6) ? part(of: event, random.pick(Cut.Tear.allCases)) : whole(event)
      }
    }
  }

  private func part(of event: Int, _ tear: Cut.Tear) -> Piece {
    let (offset, bytes) = write(event)
    let end = offset + bytes.count
    let boundary =
      switch tear {
      case .first, .allButFirst: Self.boundary(notBefore: offset + 1)
      case .last, .allButLast: Self.boundary(notBehind: end - 1)
      case .firstHalf, .lastHalf: Self.boundary(notBehind: (offset + end) / 2)
      }
    let cut = min(max(boundary - offset, 0), bytes.count)
    switch tear {
    case .first, .allButLast, .firstHalf: return Piece(event: event, bytes: 0..<cut)
    case .allButFirst, .last, .lastHalf: return Piece(event: event, bytes: cut..<bytes.count)
    }
  }

  /// Where a write may be torn. The superblock of the file system counts as one sector, though it has two: its checksum is in the
  /// second, and no implementation of ext4 accepts a torn one.
  private static func boundary(notBefore offset: Int) -> Int {
    let sector = DiskImage.sectorSize
    let boundary = (offset + sector - 1) / sector * sector
    return boundary == 1536 ? 2048 : boundary
  }

  private static func boundary(notBehind offset: Int) -> Int {
    let boundary = offset / DiskImage.sectorSize * DiskImage.sectorSize
    return boundary == 1536 ? 1024 : boundary
  }
}

/// Follows the hash of a disk that is written to, without making the disk.
private struct HashBuilder {
  let image: DiskImage
  var hash: ContentHash
  private var changed: [Int: [UInt8]] = [:]

  init(image: DiskImage, hash: ContentHash) {
    self.image = image
    self.hash = hash
  }

  mutating func write(_ bytes: ArraySlice<UInt8>, at offset: Int) {
    DiskImage.forEachPart(of: bytes.count, at: offset, unit: DiskImage.sectorSize) {
      sector, within, part in
      let old = changed[sector] ?? image.withSector(sector) { Array($0) }
      var new = old
      new.replaceSubrange(
        within..<within + part.count,
        with: bytes[bytes.startIndex + part.lowerBound..<bytes.startIndex + part.upperBound])
      old.withUnsafeBytes { old in
        new.withUnsafeBytes { hash.replace(sector: sector, old, by: $0) }
      }
      changed[sector] = new
    }
  }
}
