/// What is known of the blocks of one file, from the mappings seen.
struct FileBlocks {
  enum Kind: UInt64 {
    case unknown, hole, written, unwritten
  }

  /// How much of an entry still holds.
  enum Certainty: UInt64, Comparable {
    case certain
    /// An IOEND is in progress: where the block is holds, whether it is written may not.
    case converting
    /// Something else is in progress, or has been without saying what came of it: nothing holds.
    case changing

    static func < (one: Self, other: Self) -> Bool { one.rawValue < other.rawValue }
  }

  /// Packed: two bits of kind, two of certainty, one for what is new, then the block of the device.
  struct Entry: Equatable {
    private var bits: UInt64

    init(_ kind: Kind, device: UInt64 = 0) { bits = kind.rawValue | device << 5 }

    /// Seen when so many flushes had completed.
    static func hole(atFlush flushes: UInt64) -> Entry { Entry(.hole, device: flushes) }

    var kind: Kind { Kind(rawValue: bits & 3) ?? .unknown }
    var device: UInt64 { bits >> 5 }
    /// Of a hole: completed flushes when it was seen. What appears there may have been committed since.
    var seenAtFlush: UInt64 { bits >> 5 }
    var certainty: Certainty {
      get { Certainty(rawValue: bits >> 2 & 3) ?? .changing }
      set { bits = bits & ~12 | newValue.rawValue << 2 }
    }
    var isChanging: Bool { certainty == .changing }
    /// Allocated where a hole was known, with no flush completed since.
    var isNew: Bool {
      get { bits & 16 != 0 }
      set { bits = newValue ? bits | 16 : bits & ~16 }
    }
    var hasBlock: Bool { kind == .written || kind == .unwritten }
  }

  /// What is behind the end of `entries`: a hole in a file that has just been created.
  var beyond: Entry
  private(set) var entries: [Entry] = []
  /// Blocks of files behind it are not followed.
  static let limit: UInt64 = 1 << 20
  /// Completed flushes when blocks were last allocated.
  var allocatedAtFlush: UInt64 = 0
  /// Blocks that requests in progress may change: what is seen of them may be from before.
  private(set) var changes: [Change] = []
  /// Goes up with everything that may change what a mapping of the file says.
  var epoch: UInt64 = 0
  /// Its blocks have no unwritten state.
  var isIndirect = false

  init(beyond: Entry) { self.beyond = beyond }

  subscript(block: UInt64) -> Entry {
    get { block < UInt64(entries.count) ? entries[Int(block)] : beyond }
    set {
      guard block < Self.limit else { return }
      if block >= UInt64(entries.count) {
        guard newValue != beyond else { return }
        let missing = Int(block) + 1 - entries.count
        entries.append(contentsOf: repeatElement(beyond, count: missing))
      }
      entries[Int(block)] = newValue
    }
  }

  struct Change {
    let blocks: Range<UInt64>
    /// What is seen of them meanwhile is this certain.
    let certainty: Certainty
    /// Completed when it went out.
    let flushes: UInt64
  }

  mutating func changeBegins(
    _ first: UInt64, _ end: UInt64, leaving certainty: Certainty, flushes: UInt64
  ) {
    changes.append(
      Change(blocks: first..<max(first, end), certainty: certainty, flushes: flushes))
    epoch += 1
  }

  mutating func changeEnded(_ first: UInt64, _ end: UInt64, leaving certainty: Certainty) {
    epoch += 1
    let blocks = first..<max(first, end)
    let index = changes.firstIndex { $0.blocks == blocks && $0.certainty == certainty }
    if let index { changes.remove(at: index) }
  }

  /// How certain is what is now seen of a block.
  func certainty(of block: UInt64) -> Certainty {
    changes.reduce(.certain) { $1.blocks.contains(block) ? max($0, $1.certainty) : $0 }
  }

  /// Flushes completed before any of the requests in progress went out.
  func flushesBeforeChanges(_ now: UInt64) -> UInt64 { changes.map(\.flushes).min() ?? now }

  /// Those of a range that differ from what is beyond.
  func followed(_ start: UInt64, _ end: UInt64) -> Range<UInt64> {
    let end = min(end, UInt64(entries.count))
    return min(start, end)..<end
  }
}
