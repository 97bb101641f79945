/// What workloads choose from. Sorted, so that the same seed chooses the same.
extension RecordedVolume {
  public var files: [String] { paths { $0.kind == .regular } }
  public var directories: [String] { paths { $0.kind == .directory && $0.mode != 0o700 } }
  public var emptyDirectories: [String] {
    paths { $0.kind == .directory && $0.links == 2 }.filter { path in
      let tree = history.tree
      return !path.isEmpty && tree.node(at: path).map { tree[$0].children.isEmpty } == true
        && path != "lost+found"
    }
  }
  /// Whatever is no directory.
  public var names: [String] { paths { $0.kind != .directory } }

  public func size(of path: String) -> Int {
    history.tree.node(at: path).map { size(of: $0) } ?? 0
  }

  public func attributeNames(of path: String) -> [String] {
    history.tree.node(at: path).map { history.tree[$0].attributes.keys.sorted() } ?? []
  }

  private func paths(_ isWanted: (ModelTree.Node) -> Bool) -> [String] {
    let tree = history.tree
    var found: [String] = []
    var pending = [("", ModelTree.root)]
    while let (path, id) = pending.popLast() {
      if isWanted(tree[id]) { found.append(path) }
      for (name, child) in tree[id].children {
        pending.append((path.isEmpty ? name : "\(path)/\(name)", child))
      }
    }
    return found.sorted()
  }
}
