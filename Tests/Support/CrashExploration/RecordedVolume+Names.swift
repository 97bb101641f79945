import Ext4
import TestSupport

extension String {
  /// The path of the directory and the name in it.
  var parentAndName: (parent: String, name: String) {
    guard let slash = lastIndex(of: "/") else { return ("", self) }
    return (String(self[..<slash]), String(self[index(after: slash)...]))
  }
}

extension RecordedVolume {
  @discardableResult
  public func create(_ path: String, mode: UInt16 = 0o644) throws -> Bool {
    try make(path, .regularFile, .regular, mode: mode)
  }

  @discardableResult
  public func makeDirectory(_ path: String, mode: UInt16 = 0o755) throws -> Bool {
    try make(path, .directory, .directory, mode: mode)
  }

  @discardableResult
  public func makePipe(_ path: String) throws -> Bool {
    try make(path, .fifo, .fifo, mode: 0o600)
  }

  @discardableResult
  public func makeSymbolicLink(_ path: String, to target: String) throws -> Bool {
    try make(
      path, .symbolicLink(Array(target.utf8)), .symbolicLink(Array(target.utf8)), mode: 0o777)
  }

  /// A file without a name, which is gone when it is no longer used: nothing is left of it.
  public func makeTemporary() throws {
    let node = NewNode(.regularFile, permissions: 0o600, umask: 0, userID: 0, groupID: 0)
    forget(try volume.createTemporary(node, in: try volume.node(.root)))
  }

  private func make(
    _ path: String, _ content: NewNode.Content, _ kind: ModelTree.Kind, mode: UInt16
  ) throws -> Bool {
    let (parent, name) = path.parentAndName
    return try perform("make \(kind.word) /\(path)") { history, tree, operation in
      guard let directory = tree.node(at: parent) else { return }
      let id = history.nextID
      history.nextID += 1
      tree.nodes[id] = ModelTree.Node(
        kind: kind, mode: mode, links: kind == .directory ? 2 : 1)
      tree.add(id, name, in: directory)
      if kind == .regular {
        history.files[id] = FileHistory(id: id, operation: operation, blockSize: history.blockSize)
      }
    } _: {
      try withInode(parent) { directory in
        let node = NewNode(content, permissions: mode, umask: 0, userID: 0, groupID: 0)
        let made = try volume.withName(name) { name in
          try volume.create(node, named: name, in: directory)
        }
        forget(made)
      }
    }
  }

  @discardableResult
  public func link(_ path: String, as newPath: String) throws -> Bool {
    let (parent, name) = newPath.parentAndName
    return try perform("link /\(path) as /\(newPath)") { _, tree, _ in
      guard let id = tree.node(at: path), let directory = tree.node(at: parent) else { return }
      tree[id].links += 1
      tree[directory].children[name] = id
    } _: {
      try withInode(path) { inode in
        try withInode(parent) { directory in
          try volume.withName(name) { name in
            try volume.link(inode, as: name, in: directory)
          }
          forget(inode)
        }
      }
    }
  }

  @discardableResult
  public func unlink(_ path: String) throws -> Bool {
    try remove(path, "unlink") { name, directory in
      try volume.unlink(name, in: directory)
    }
  }

  @discardableResult
  public func removeDirectory(_ path: String) throws -> Bool {
    try remove(path, "rmdir") { name, directory in
      try volume.removeDirectory(name, in: directory)
    }
  }

  private func remove(
    _ path: String, _ verb: String, _ body: (FileName, Inode) throws -> Void
  ) throws -> Bool {
    let (parent, name) = path.parentAndName
    return try perform("\(verb) /\(path)") { _, tree, _ in
      if let directory = tree.node(at: parent) { tree.remove(name, from: directory) }
    } _: {
      try withInode(parent) { directory in
        // The kernel knows what it removes.
        let inode = try volume.find(name, in: directory)
        defer { forget(inode) }
        try volume.withName(name) { name in try body(name, directory) }
      }
    }
  }

  /// Also over an existing name; with `exchange`, both change places.
  @discardableResult
  public func rename(_ path: String, to newPath: String, exchange: Bool = false) throws -> Bool {
    let (parent, name) = path.parentAndName
    let (newParent, newName) = newPath.parentAndName
    return try perform("\(exchange ? "exchange" : "rename") /\(path) \(newPath)") { _, tree, _ in
      guard let from = tree.node(at: parent), let to = tree.node(at: newParent),
        let moved = tree.node(at: path)
      else { return }
      let other = tree.node(at: newPath)
      guard other != moved else { return }
      if exchange, let other {
        tree[from].children[name] = other
        tree[to].children[newName] = moved
        for (node, old, new) in [(moved, from, to), (other, to, from)]
        where tree[node].kind == .directory {
          tree[old].links -= 1
          tree[new].links += 1
        }
      } else {
        if other != nil { tree.remove(newName, from: to) }
        tree[from].children[name] = nil
        tree[to].children[newName] = moved
        if tree[moved].kind == .directory {
          tree[from].links -= 1
          tree[to].links += 1
        }
      }
    } _: {
      try withInode(parent) { from in
        try withInode(newParent) { to in
          let replaced = try? volume.find(newName, in: to)
          defer { if let replaced { forget(replaced) } }
          try volume.withName(name) { name in
            try volume.withName(newName) { newName in
              try volume.rename(
                name, in: from, to: newName, in: to, flags: exchange ? .exchange : [], userID: 0,
                groupID: 0)
            }
          }
        }
      }
    }
  }
}

extension ModelTree.Kind {
  fileprivate var word: String {
    switch self {
    case .regular: "file"
    case .directory: "directory"
    case .fifo: "pipe"
    case .symbolicLink: "symbolic link"
    }
  }
}
