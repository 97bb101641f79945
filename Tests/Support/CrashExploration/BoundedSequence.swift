import TestSupport

/// Operations in a row, each with what makes it durable: a workload of bounded size.
public struct BoundedSequence: Hashable, Sendable, CustomStringConvertible {
  /// A persistence point. To the file system all of them are one, since each commits everything; programs have a choice.
  public enum Persistence: String, CaseIterable, Sendable {
    case none, fsync, fdatasync, fsyncOfParent, sync
  }

  /// Something that is done, and whether it is one of the sequence's operations or what one of them depends on.
  public struct Step: Hashable, Sendable {
    public var operation: BoundedOperation
    public var persistence: Persistence
  }

  public var steps: [Step]
  /// Of the operations that were chosen; the others are dependencies.
  public let length: Int

  public var description: String {
    steps.map { step in
      step.persistence == .none
        ? "\(step.operation)" : "\(step.operation), \(step.persistence.rawValue)"
    }.joined(separator: "; ")
  }

  /// The last two phases: each operation is followed by its persistence point, the last one has one, and what an operation needs is
  /// made before it, durable or not as it comes.
  public init(_ operations: [(BoundedOperation, Persistence)]) {
    var state = BoundedState()
    steps = []
    length = operations.count
    for (operation, persistence) in operations {
      for needed in state.prepare(operation) {
        steps.append(Step(operation: needed, persistence: .none))
      }
      steps.append(Step(operation: operation, persistence: persistence))
      state.apply(operation)
    }
  }

  // MARK: All of them

  /// How many sequences there are of so many operations.
  public static func count(ofLength length: Int) -> Int {
    let operations = BoundedOperation.all.count
    return (0..<length).reduce(1) { product, _ in product * operations } << (length - 1)
  }

  /// The sequence of that number. Persistence points are there or not; at the end there is one. Which of them it is, `index` decides.
  public init(number: Int, ofLength length: Int) {
    let all = BoundedOperation.all
    var rest = number
    var chosen: [(BoundedOperation, Persistence)] = []
    let points = Persistence.allCases.dropFirst()
    for place in 0..<length {
      let operation = all[rest % all.count]
      rest /= all.count
      var isPoint = true
      if place < length - 1 {
        isPoint = rest & 1 == 1
        rest >>= 1
      }
      let point = points[points.startIndex + (number / 7 + place) % points.count]
      chosen.append((operation, isPoint ? point : .none))
    }
    self.init(chosen)
  }

  /// A sample without repetitions, by seed.
  public static func sample(
    _ count: Int, ofLength length: Int, _ random: inout SeededGenerator
  ) -> [BoundedSequence] {
    let all = Self.count(ofLength: length)
    guard count < all else {
      return (0..<all).map { BoundedSequence(number: $0, ofLength: length) }
    }
    var numbers: Set<Int> = []
    var sample: [BoundedSequence] = []
    while sample.count < count {
      let number = random.number(0..<all)
      guard numbers.insert(number).inserted else { continue }
      sample.append(BoundedSequence(number: number, ofLength: length))
    }
    return sample
  }
}

/// What is there after some operations, as far as it matters to what the next one needs.
struct BoundedState {
  private struct Node {
    var isDirectory = false
    /// nil for a symbolic link.
    var size: Int?
    var hasAttribute = false
  }

  private var nodes: [Int: Node] = [:]
  private var paths: [String: Int] = [:]
  private var nextID = 0

  // MARK: The fourth phase

  /// What must be done before `operation`, in order. Does it, in this state.
  mutating func prepare(_ operation: BoundedOperation) -> [BoundedOperation] {
    var needed: [BoundedOperation] = []
    switch operation {
    case .create(let path), .makeDirectory(let path): free(path, &needed)
    case .allocate(let path, _, let place):
      file(path, holding: place != .append, &needed)
    case .write(let path, let way, let place):
      file(path, holding: place != .append, &needed)
      if way == .mapped, place != .overwrite {
        // A mapping does not make a file longer.
        act(.allocate(path, .allocate, place), &needed)
      }
    case .truncate(let path, _): file(path, holding: true, &needed)
    case .link(let old, let new):
      file(old, holding: false, &needed)
      free(new, &needed)
    case .symbolicLink(_, let path): free(path, &needed)
    case .unlink(let path): file(path, holding: true, &needed)
    case .remove(let path):
      if Self.isDirectory(path) {
        directory(path, &needed)
        for child in children(of: path) { clear(child, &needed) }
      } else {
        file(path, holding: true, &needed)
      }
    case .rename(let old, let new, let replacing):
      if Self.isDirectory(old) {
        directory(old, &needed)
        if !replacing {
          free(new, &needed)
        } else {
          directory(new, &needed)
          for child in children(of: new) { clear(child, &needed) }
        }
      } else {
        file(old, holding: true, &needed)
        if replacing { file(new, holding: true, &needed) } else { free(new, &needed) }
        // Two names of one file stay as they are.
        if paths[old] == paths[new] {
          clear(new, &needed)
          if replacing { file(new, holding: true, &needed) }
        }
      }
    case .setAttribute(let path), .removeAttribute(let path):
      if Self.isDirectory(path) {
        directory(path, &needed)
      } else {
        file(path, holding: false, &needed)
      }
      if case .removeAttribute = operation, nodes[paths[path] ?? -1]?.hasAttribute != true {
        act(.setAttribute(path), &needed)
      }
    case .fill(let path): file(path, holding: false, &needed)
    }
    return needed
  }

  private static func isDirectory(_ path: String) -> Bool {
    ["A", "B", "C"].contains { path == $0 || path.hasSuffix("/\($0)") }
  }

  private func children(of path: String) -> [String] {
    paths.keys.filter { $0.parentAndName.parent == path }.sorted()
  }

  private mutating func act(_ operation: BoundedOperation, _ needed: inout [BoundedOperation]) {
    needed.append(operation)
    apply(operation)
  }

  private mutating func directory(_ path: String, _ needed: inout [BoundedOperation]) {
    if path.isEmpty { return }
    directory(path.parentAndName.parent, &needed)
    if let id = paths[path] {
      if nodes[id]?.isDirectory == true { return }
      clear(path, &needed)
    }
    act(.makeDirectory(path), &needed)
  }

  private mutating func file(
    _ path: String, holding: Bool, _ needed: inout [BoundedOperation]
  ) {
    directory(path.parentAndName.parent, &needed)
    if let id = paths[path], nodes[id]?.isDirectory == true || nodes[id]?.size == nil {
      clear(path, &needed)
    }
    if paths[path] == nil { act(.create(path), &needed) }
    if holding, let id = paths[path], (nodes[id]?.size ?? 0) < 6000 { act(.fill(path), &needed) }
  }

  private mutating func free(_ path: String, _ needed: inout [BoundedOperation]) {
    directory(path.parentAndName.parent, &needed)
    clear(path, &needed)
  }

  private mutating func clear(_ path: String, _ needed: inout [BoundedOperation]) {
    guard paths[path] != nil else { return }
    for child in children(of: path) { clear(child, &needed) }
    act(.remove(path), &needed)
  }

  // MARK: What operations do

  mutating func apply(_ operation: BoundedOperation) {
    switch operation {
    case .create(let path): add(path, Node(size: 0))
    case .makeDirectory(let path): add(path, Node(isDirectory: true))
    case .symbolicLink(_, let path): add(path, Node())
    case .allocate(let path, let mode, let place):
      change(path) { node in
        let size = node.size ?? 0
        guard [.allocate, .zeroRange].contains(mode) else { return }
        node.size = max(size, BoundedOperation.range(place, size: size).upperBound)
      }
    case .write(let path, let way, let place):
      change(path) { node in
        let size = node.size ?? 0
        guard way != .mapped else { return }
        node.size = max(size, BoundedOperation.range(place, way, size: size).upperBound)
      }
    case .truncate(let path, let size): change(path) { $0.size = BoundedOperation.length(size) }
    case .link(let old, let new): paths[new] = paths[old]
    case .unlink(let path), .remove(let path): paths[path] = nil
    case .rename(let old, let new, _): rename(old, new)
    case .setAttribute(let path): change(path) { $0.hasAttribute = true }
    case .removeAttribute(let path): change(path) { $0.hasAttribute = false }
    case .fill(let path): change(path) { $0.size = BoundedOperation.filled }
    }
  }

  private mutating func add(_ path: String, _ node: Node) {
    nextID += 1
    nodes[nextID] = node
    paths[path] = nextID
  }

  private mutating func change(_ path: String, _ body: (inout Node) -> Void) {
    guard let id = paths[path], var node = nodes[id] else { return }
    body(&node)
    nodes[id] = node
  }

  private mutating func rename(_ old: String, _ new: String) {
    var moved: [String: Int] = [:]
    for (path, id) in paths where path != new {
      let isMoved = path == old || path.hasPrefix(old + "/")
      moved[isMoved ? new + path.dropFirst(old.count) : path] = id
    }
    paths = moved
  }
}
