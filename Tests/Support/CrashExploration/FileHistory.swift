/// All that a file has ever held, and from when on each of its bytes can be relied upon.
public struct FileHistory: Sendable {
  struct Version: Sendable {
    /// The operation that made it.
    var operation: Int
    var bytes: [UInt8]
    /// Blocks that are stored, and not holes or reserved only.
    var stored: Set<Int>
    /// Bytes that this operation puts where nothing of the file was to be seen before: a disk that shows the operation's metadata must
    /// show them as well (ordered data).
    var ordered: [Range<Int>] = []
    /// Bytes whose place on the disk changed: what is written to the new place later does not show in an older state of the file.
    var moved: [Range<Int>] = []
    /// Bytes that this operation changes in transactions of their own, before the last by which it is recognized.
    var early: [Range<Int>] = []
  }

  let id: Int
  private(set) var versions: [Version]
  private let blockSize: Int

  /// A new file, made by `operation`, or one that was there before the first.
  init(id: Int, operation: Int, bytes: [UInt8] = [], stored: Set<Int> = [], blockSize: Int) {
    self.id = id
    self.blockSize = blockSize
    let all = [0..<Int.max]
    versions = [
      Version(operation: operation, bytes: bytes, stored: stored, ordered: all, moved: all)
    ]
  }

  var size: Int { versions.last!.bytes.count }
  var bytes: [UInt8] { versions.last!.bytes }

  // MARK: Changes

  private func next(_ operation: Int) -> Version {
    let last = versions.last!
    return Version(operation: operation, bytes: last.bytes, stored: last.stored)
  }

  private func blocks(touching range: Range<Int>) -> Range<Int> {
    range.lowerBound / blockSize..<(range.upperBound + blockSize - 1) / blockSize
  }

  private func blocks(within range: Range<Int>) -> Range<Int> {
    let first = (range.lowerBound + blockSize - 1) / blockSize
    return first..<max(first, range.upperBound / blockSize)
  }

  private func bytes(of blocks: Range<Int>) -> Range<Int> {
    blocks.lowerBound * blockSize..<blocks.upperBound * blockSize
  }

  private func resize(_ version: inout Version, to size: Int) {
    let old = version.bytes.count
    if size > old {
      version.bytes += [UInt8](repeating: 0, count: size - old)
      version.ordered.append(old..<size)
    } else {
      version.bytes.removeSubrange(size...)
    }
  }

  mutating func write(_ bytes: [UInt8], at offset: Int, operation: Int) {
    var version = next(operation)
    let range = offset..<offset + bytes.count
    if range.upperBound > version.bytes.count { resize(&version, to: range.upperBound) }
    version.bytes.replaceSubrange(range, with: bytes)
    for block in blocks(touching: range) where version.stored.insert(block).inserted {
      version.ordered.append(self.bytes(of: block..<block + 1))
      version.moved.append(self.bytes(of: block..<block + 1))
    }
    versions.append(version)
  }

  mutating func truncate(to size: Int, operation: Int) {
    var version = next(operation)
    let old = version.bytes.count
    resize(&version, to: size)
    if size <= old {
      let boundary = (size + blockSize - 1) / blockSize * blockSize
      // The rest of the last block is zeroed in place.
      version.ordered.append(size..<Int.max)
      version.moved.append(boundary..<Int.max)
      version.stored = version.stored.filter { $0 * blockSize < boundary }
    }
    versions.append(version)
  }

  /// Blocks are reserved; what they hold are zeros.
  mutating func allocate(_ range: Range<Int>, keepSize: Bool, operation: Int) {
    var version = next(operation)
    if !keepSize, range.upperBound > size { resize(&version, to: range.upperBound) }
    versions.append(version)
  }

  /// A hole, or with `growing` reserved blocks. `inSteps`: a commit may come between the transactions that this takes.
  mutating func zero(_ range: Range<Int>, growing: Bool, operation: Int, inSteps: Bool = false) {
    var version = next(operation)
    if inSteps { version.early.append(range) }
    if growing, range.upperBound > size { resize(&version, to: range.upperBound) }
    let whole = blocks(within: range)
    version.stored.subtract(whole)
    version.moved.append(bytes(of: whole))
    version.ordered.append(range)
    for place in range
      .lowerBound..<max(range.lowerBound, min(range.upperBound, version.bytes.count))
    {
      version.bytes[place] = 0
    }
    versions.append(version)
  }

  /// Data that lay in the inode moves to blocks.
  mutating func leaveInode(operation: Int) {
    var version = next(operation)
    version.stored = Set(blocks(touching: 0..<version.bytes.count))
    version.ordered.append(0..<Int.max)
    version.moved.append(0..<Int.max)
    versions.append(version)
  }

  // MARK: Judgement

  /// The version after `operation`.
  private func index(at operation: Int) -> Int? {
    versions.lastIndex { $0.operation <= operation }
  }

  func size(at operation: Int) -> Int? { index(at: operation).map { versions[$0].bytes.count } }

  /// What is wrong with `found` as the contents of the file in a file system that shows the metadata of the first `operation`
  /// operations; nil if it can be right.
  func flaw(in found: [UInt8], at operation: Int, _ expectation: Expectation) -> String? {
    guard let current = index(at: operation) else { return "it did not exist yet" }
    let expected = versions[current].bytes
    guard found != expected else { return nil }
    guard found.count == expected.count else {
      return "it has \(found.count) bytes, not \(expected.count)"
    }
    var place = 0
    while place < found.count {
      if found[place] != expected[place],
        !isPossible(found[place], at: place, in: current, expectation)
      {
        return "at byte \(place) there is \(FilePattern.describe(found, at: place)), not "
          + FilePattern.describe(expected, at: place)
      }
      place += 1
    }
    return nil
  }

  /// Whether the byte may be there, since a write to the same place on the disk has not arrived yet, or has arrived early.
  private func isPossible(
    _ byte: UInt8, at place: Int, in current: Int, _ expectation: Expectation
  ) -> Bool {
    var first = current
    let durable = index(at: expectation.synchronized) ?? 0
    while first > durable, !versions[first].ordered.contains(where: { $0.contains(place) }) {
      first -= 1
    }
    func value(_ version: Version) -> UInt8 {
      place < version.bytes.count ? version.bytes[place] : 0
    }
    if versions[first...current].contains(where: { value($0) == byte }) { return true }
    for version in versions[(current + 1)...] where version.operation <= expectation.begun {
      if version.early.contains(where: { $0.contains(place) }), value(version) == byte {
        return true
      }
      if version.moved.contains(where: { $0.contains(place) }) { return false }
      if value(version) == byte { return true }
    }
    return false
  }
}
