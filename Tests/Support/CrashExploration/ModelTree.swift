/// The names and inodes of a file system as they should be at one moment. What files hold is in their histories.
public struct ModelTree: Sendable {
  public enum Kind: Hashable, Sendable {
    case regular, directory, fifo
    case symbolicLink([UInt8])
  }

  struct Node: Sendable {
    var kind: Kind
    var mode: UInt16
    var links = 1
    var size = 0
    var attributes: [String: [UInt8]] = [:]
    /// Of a directory.
    var children: [String: Int] = [:]
  }

  static let root = 1
  var nodes: [Int: Node] = [:]

  /// The node at a path, "" being the root.
  func node(at path: String) -> Int? {
    var current = Self.root
    for name in path.split(separator: "/") {
      guard let next = nodes[current]?.children[String(name)] else { return nil }
      current = next
    }
    return current
  }

  subscript(id: Int) -> Node {
    get { nodes[id] ?? Node(kind: .regular, mode: 0) }
    set { nodes[id] = newValue }
  }

  mutating func add(_ id: Int, _ name: String, in directory: Int) {
    self[directory].children[name] = id
    if self[id].kind == .directory { self[directory].links += 1 }
  }

  /// Takes a name away, and with the last one the node from all that can be seen.
  mutating func remove(_ name: String, from directory: Int) {
    guard let id = self[directory].children.removeValue(forKey: name) else { return }
    if self[id].kind == .directory {
      self[directory].links -= 1
      self[id].links = 0
    } else {
      self[id].links -= 1
    }
  }

  /// What a walk through it shows, by path.
  func listing() -> [String: TreeEntry] {
    var entries: [String: TreeEntry] = [:]
    var firstNames: [Int: String] = [:]
    var pending = [("", Self.root)]
    while let (path, id) = pending.popLast() {
      let node = self[id]
      entries[path] = TreeEntry(node, id: id)
      if node.links > 1, node.kind != .directory {
        firstNames[id] = min(firstNames[id] ?? path, path)
      }
      for (name, child) in node.children {
        pending.append((path.isEmpty ? name : "\(path)/\(name)", child))
      }
    }
    for (path, entry) in entries {
      if let first = firstNames[entry.id] { entries[path]?.firstName = first }
    }
    return entries
  }
}

/// What can be seen of a file from outside, but for its contents.
struct TreeEntry: Sendable {
  /// The node of the model; the inode's number in what was found.
  var id: Int
  var kind: ModelTree.Kind
  var mode: UInt16
  var links: Int
  var size: Int
  var attributes: [String: [UInt8]]
  /// The first of several names.
  var firstName: String?

  init(
    id: Int, kind: ModelTree.Kind, mode: UInt16, links: Int, size: Int,
    attributes: [String: [UInt8]]
  ) {
    self.id = id
    self.kind = kind
    self.mode = mode
    self.links = links
    self.size = size
    self.attributes = attributes
  }

  init(_ node: ModelTree.Node, id: Int) {
    self.init(
      id: id, kind: node.kind, mode: node.mode, links: node.links, size: node.size,
      attributes: node.attributes)
  }

  /// Whether both look alike; ids do not matter.
  func looksLike(_ other: TreeEntry) -> Bool {
    kind == other.kind && mode == other.mode && links == other.links && size == other.size
      && attributes == other.attributes && firstName == other.firstName
  }

  func hash(at path: String) -> Int {
    var hasher = Hasher()
    hasher.combine(path)
    hasher.combine(kind)
    hasher.combine(mode)
    hasher.combine(links)
    hasher.combine(size)
    hasher.combine(attributes)
    hasher.combine(firstName)
    return hasher.finalize()
  }
}

extension [String: TreeEntry] {
  /// Equal for what looks alike.
  var digest: Int { reduce(0) { $0 &+ $1.value.hash(at: $1.key) } }

  /// Where this differs from `expected`, in a few lines.
  func differences(from expected: Self) -> [String] {
    var lines: [String] = []
    for (path, entry) in expected.sorted(by: { $0.key < $1.key }) {
      guard let found = self[path] else {
        lines.append("/\(path) is missing")
        continue
      }
      if !found.looksLike(entry) { lines.append("/\(path): \(found.difference(from: entry))") }
    }
    for path in keys.sorted() where expected[path] == nil { lines.append("/\(path) is too much") }
    return lines
  }
}

extension TreeEntry {
  fileprivate func difference(from expected: TreeEntry) -> String {
    var parts: [String] = []
    if kind != expected.kind { parts.append("it is \(kind), not \(expected.kind)") }
    if mode != expected.mode { parts.append("mode \(mode), not \(expected.mode)") }
    if links != expected.links { parts.append("\(links) links, not \(expected.links)") }
    if size != expected.size { parts.append("\(size) bytes, not \(expected.size)") }
    if firstName != expected.firstName {
      parts.append("the same file as \(firstName ?? "none"), not \(expected.firstName ?? "none")")
    }
    if attributes != expected.attributes {
      let sizes = { (all: [String: [UInt8]]) in
        all.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.count) bytes" }
      }
      parts.append("attributes \(sizes(attributes)), not \(sizes(expected.attributes))")
    }
    return parts.joined(separator: ", ")
  }
}
