import CrashExploration
import TestSupport

/// Operations as chance has it, in a small tree, with a commit now and then.
struct RandomWork {
  enum Step: CaseIterable {
    case create, makeDirectory, symbolicLink, pipe, link, unlink, removeDirectory, rename, exchange
    case append, overwrite, writeFar, truncate, grow, allocate, punch, zero
    case chmod, setAttribute, removeAttribute
    case openAndUnlink, closeFile
  }

  var steps: [Step] = Step.allCases
  /// Bytes that a file has at most.
  var sizeLimit = 24 << 10
  /// A commit comes after one in so many operations, of which one in three is a synchronization.
  var commitEvery = 4
  var nameLimit = 40
  /// What new names begin with.
  var prefix = "n"
  private var open: [Int] = []
  private var count = 0

  mutating func run(
    _ operations: Int, on volume: RecordedVolume, _ random: inout SeededGenerator
  ) throws {
    for _ in 0..<operations {
      try step(random.pick(steps), volume, &random)
      try RandomWork.commitSometimes(volume, &random, every: commitEvery)
    }
  }

  /// By fsync, by the clock, or with a checkpoint.
  static func commitSometimes(
    _ volume: RecordedVolume, _ random: inout SeededGenerator, every interval: Int
  ) throws {
    guard random.oneIn(interval) else { return }
    switch random.number(0..<6) {
    case 0...1: try volume.synchronize()
    case 2: try volume.checkpoint()
    default: try volume.commitInBackground()
    }
  }

  private mutating func newPath(_ volume: RecordedVolume, _ random: inout SeededGenerator) -> String
  {
    count += 1
    let padding = String(repeating: "x", count: random.oneIn(4) ? random.number(0..<60) : 0)
    let directory = random.pick(volume.directories)
    let name = "\(prefix)\(count)\(padding)"
    return directory.isEmpty ? name : "\(directory)/\(name)"
  }

  private mutating func step(
    _ step: Step, _ volume: RecordedVolume, _ random: inout SeededGenerator
  ) throws {
    let names = volume.names
    if names.count > nameLimit, !names.isEmpty, [.create, .symbolicLink, .link].contains(step) {
      try volume.unlink(random.pick(names))
      return
    }
    switch step {
    case .create, .makeDirectory, .symbolicLink, .pipe, .link:
      try make(step, volume, &random)
    case .unlink:
      guard !names.isEmpty else { return }
      try volume.unlink(random.pick(names))
    case .removeDirectory:
      guard let path = volume.emptyDirectories.randomElement(using: &random) else { return }
      try volume.removeDirectory(path)
    case .rename, .exchange:
      guard names.count > 1 else { return }
      try rename(step, names, volume, &random)
    case .openAndUnlink, .closeFile:
      try useWithoutName(step, volume, &random)
    default:
      guard let path = volume.files.randomElement(using: &random) else { return }
      try change(step, path, volume, &random)
    }
  }

  private mutating func make(
    _ step: Step, _ volume: RecordedVolume, _ random: inout SeededGenerator
  ) throws {
    let path = newPath(volume, &random)
    switch step {
    case .makeDirectory: try volume.makeDirectory(path)
    case .symbolicLink:
      let length = random.oneIn(2) ? random.number(1..<60) : random.number(60..<900)
      try volume.makeSymbolicLink(path, to: String(repeating: "t", count: length))
    case .pipe: try volume.makePipe(path)
    case .link:
      guard let file = volume.names.randomElement(using: &random) else { return }
      try volume.link(file, as: path)
    default:
      guard try volume.create(path) else { return }
      try volume.write(path, at: 0, count: random.number(1..<6000))
    }
  }

  private mutating func rename(
    _ step: Step, _ names: [String], _ volume: RecordedVolume, _ random: inout SeededGenerator
  ) throws {
    let path = random.pick(names)
    let other = random.pick(names)
    if step == .exchange {
      try volume.rename(path, to: other, exchange: true)
    } else if random.oneIn(3), let directory = volume.emptyDirectories.randomElement(using: &random)
    {
      let target = newPath(volume, &random)
      guard !target.hasPrefix(directory + "/") else { return }
      try volume.rename(directory, to: target)
    } else {
      try volume.rename(path, to: random.oneIn(2) ? newPath(volume, &random) : other)
    }
  }

  private mutating func useWithoutName(
    _ step: Step, _ volume: RecordedVolume, _ random: inout SeededGenerator
  ) throws {
    if step == .closeFile {
      guard let id = open.popLast() else { return }
      return volume.closeFile(id)
    }
    guard open.count < 4, let path = volume.files.randomElement(using: &random) else { return }
    let id = try volume.openFile(path)
    if !open.contains(id) { open.append(id) }
    try volume.unlink(path)
    try volume.write(open: id, at: random.number(0..<sizeLimit), count: random.number(1..<3000))
  }

  private func change(
    _ step: Step, _ path: String, _ volume: RecordedVolume, _ random: inout SeededGenerator
  ) throws {
    let size = volume.size(of: path)
    let place = random.number(0..<max(size, 1))
    let count = random.number(1..<5000)
    switch step {
    case .append:
      guard size < sizeLimit else { return }
      try volume.append(path, count: count)
    case .overwrite:
      guard size > 0 else { return }
      try volume.write(path, at: place, count: min(count, size - place))
    case .writeFar:
      try volume.write(path, at: random.number(0..<sizeLimit), count: random.number(1..<3000))
    case .truncate: try volume.truncate(path, to: place)
    case .grow: try volume.truncate(path, to: min(size + count, sizeLimit))
    case .allocate:
      try volume.allocate(path, at: place, count: count, keepSize: random.oneIn(2))
    case .punch: try volume.punchHole(path, at: place, count: count)
    case .zero: try volume.zeroRange(path, at: place, count: count)
    case .chmod: try volume.setMode(path, random.pick([0o600, 0o644, 0o755, 0o4711]))
    case .setAttribute:
      let value = SeededGenerator.bytes(
        random.pick([4, 30, 200, 600]), seed: UInt64(random.number(0..<3)))
      // All attributes of an inode must fit into one block.
      let mayBeFull = volume.mayBeFull
      volume.mayBeFull = true
      defer { volume.mayBeFull = mayBeFull }
      try volume.setAttribute(path, "user.\(random.pick(["a", "bb", "c"]))", to: value)
    case .removeAttribute:
      guard let name = volume.attributeNames(of: path).randomElement(using: &random) else { return }
      try volume.removeAttribute(path, name)
    default: break
    }
  }
}

extension RandomWork.Step {
  /// What files without extents cannot do.
  static let needingExtents: [RandomWork.Step] = [.allocate, .zero]
}
