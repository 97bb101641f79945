/// A workload as it should be seen: the tree after each of its operations, and what each file held.
public struct History: Sendable {
  /// After so many operations.
  var trees: [ModelTree] = []
  var files: [Int: FileHistory] = [:]
  /// What the operations were; the first is the state at the beginning.
  public internal(set) var operations = ["nothing"]
  var nextID = 2
  let blockSize: Int

  public var operationCount: Int { operations.count - 1 }
  var tree: ModelTree { trees[trees.count - 1] }

  init(_ found: FoundTree, blockSize: Int) {
    self.blockSize = blockSize
    var tree = ModelTree()
    var ids = [found.entries[""]?.id ?? 2: ModelTree.root]
    for (path, entry) in found.entries.sorted(by: { $0.key < $1.key }) {
      let isNew = ids[entry.id] == nil || path.isEmpty
      let id = ids[entry.id] ?? nextID
      if isNew {
        if !path.isEmpty { nextID += 1 }
        ids[entry.id] = id
        tree.nodes[id] = ModelTree.Node(
          kind: entry.kind, mode: entry.mode, links: entry.links, size: entry.size,
          attributes: entry.attributes)
        if entry.kind == .regular {
          files[id] = FileHistory(
            id: id, operation: 0, bytes: found.contents[path] ?? [],
            stored: found.stored[path] ?? [], blockSize: blockSize)
        }
      }
      guard !path.isEmpty else { continue }
      let slash = path.lastIndex(of: "/")
      let parent = tree.node(at: slash.map { String(path[..<$0]) } ?? "")
      let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
      if let parent { tree[parent].children[name] = id }
    }
    trees = [tree]
  }

  /// What comes of the operation `name`, if it succeeds.
  func adding(
    _ name: String,
    _ change: (_ history: inout History, _ tree: inout ModelTree, _ operation: Int) -> Void
  ) -> History {
    var next = self
    var tree = tree
    next.operations.append(name)
    change(&next, &tree, next.operationCount)
    next.trees.append(tree)
    return next
  }
}
