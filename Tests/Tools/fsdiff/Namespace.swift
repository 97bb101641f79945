import Glibc
import SystemPackage

/// What the trees are known to hold: enough to choose paths that exist. It may be wrong, for instance
/// about what was reached through a symbolic link; a path that turns out to be missing is dropped.
struct Namespace {
  enum Kind {
    case directory, file, link, node
  }

  struct Entry {
    var path: FilePath
    var kind: Kind
  }

  /// In an order that the sequence of operations alone decides: choices are made by index.
  private(set) var entries: [Entry] = []

  func kind(of path: FilePath) -> Kind? {
    entries.first { $0.path == path }?.kind
  }

  mutating func add(_ path: FilePath, _ kind: Kind) {
    guard self.kind(of: path) == nil else { return }
    entries.append(Entry(path: path, kind: kind))
  }

  /// Removes a path and everything below it.
  mutating func remove(_ path: FilePath) {
    entries.removeAll { $0.path.starts(with: path) }
  }

  /// Moves a path and everything below it, over what was there.
  mutating func move(_ from: FilePath, to: FilePath) {
    guard from != to else { return }
    remove(to)
    exchange(from, to)
  }

  mutating func exchange(_ first: FilePath, _ second: FilePath) {
    for index in entries.indices {
      let path = entries[index].path
      if path.starts(with: first) {
        entries[index].path = second.appending(path.components.dropFirst(first.components.count))
      } else if path.starts(with: second) {
        entries[index].path = first.appending(path.components.dropFirst(second.components.count))
      }
    }
  }

  /// Learns from an operation that succeeded.
  mutating func note(_ operation: Operation) {
    switch operation {
    case .open(_, let path, let flags, _) where flags & O_CREAT != 0: add(path, .file)
    case .mkdir(let path, _): add(path, .directory)
    case .mknod(let path, let mode, _): add(path, mode & S_IFMT == S_IFREG ? .file : .node)
    case .symlink(_, let path): add(path, .link)
    case .link(let from, let to): add(to, kind(of: from) ?? .file)
    case .rmdir(let path), .unlink(let path): remove(path)
    case .rename(let from, let to, let flags):
      if flags & RenameFlags.exchange != 0 {
        exchange(from, to)
      } else {
        move(from, to: to)
        if flags & RenameFlags.whiteout != 0 { add(from, .node) }
      }
    default: break
    }
  }
}

/// The flags of renameat2(2).
enum RenameFlags {
  static let noReplace: CUnsignedInt = 1
  static let exchange: CUnsignedInt = 2
  static let whiteout: CUnsignedInt = 4
}
