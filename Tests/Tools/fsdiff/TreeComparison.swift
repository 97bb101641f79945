import Glibc
import SystemPackage
import TestSupport

/// Two trees compared entry by entry: names, attributes, link topology, targets, extended attributes,
/// flags, contents, and space where it must agree.
struct TreeComparison {
  /// Enough to see what is wrong.
  static let limit = 20

  private let sides: [Side]
  private let blockSize: [Int]
  private(set) var differences: [String] = []
  private(set) var compared = 0
  /// The first path seen of each inode with several links, on each side.
  private var linked: [[UInt64: FilePath]] = [[:], [:]]

  init(_ first: Side, _ second: Side) throws(Errno) {
    sides = [first, second]
    blockSize = [try first.blockSize, try second.blockSize]
  }

  /// Compares everything. Written data is flushed first, so that all space is accounted for.
  mutating func run() throws(Errno) {
    for side in sides { try Syscall.syncfs(side.root) }
    compareEntry(".")
  }

  private mutating func report(_ path: FilePath, _ what: String, _ values: [String]) {
    differences.append("\(path): \(what): \(values[0]) | \(values[1])")
  }

  /// The values of both sides when both have one; a difference is reported, errors count as values.
  @discardableResult
  private mutating func both<T>(
    _ path: FilePath, _ what: String, describe: (T) -> String, _ get: (FilePath) throws(Errno) -> T
  ) -> [T]? {
    var values: [T] = []
    var texts: [String] = []
    for side in sides {
      do throws(Errno) {
        try Syscall.fchdir(side.root)
        let value = try get(path)
        values.append(value)
        texts.append(describe(value))
      } catch {
        texts.append("errno \(error.rawValue), \(error)")
      }
    }
    if texts[0] != texts[1] { report(path, what, texts) }
    return values.count == 2 ? values : nil
  }

  private mutating func compareEntry(_ path: FilePath) {
    guard differences.count < Self.limit else { return }
    compared += 1
    let found = both(path, "stat") {
      Attributes($0).description
    } _: { (path) throws(Errno) in
      let status = try Syscall.lstat(path)
      guard status.st_mode & S_IFMT == S_IFREG else { return status }
      // What a file system learns of late, such as blocks, it knows when a file is closed.
      try Syscall.close(try Syscall.open(path, O_RDONLY | Syscall.noAccessTimeFlag))
      return try Syscall.lstat(path)
    }
    guard let found else { return }
    let type = found[0].st_mode & S_IFMT
    compareLinks(path, found)
    compareXattrs(path)
    switch type {
    case S_IFDIR:
      compareFlags(path)
      compareDirectory(path)
    case S_IFREG:
      compareFlags(path)
      compareSpace(path, found)
      compareContents(path)
    case S_IFLNK:
      both(path, "target") {
        "\($0.count) \(String(decoding: $0, as: UTF8.self))"
      } _: {
        (path) throws(Errno) in
        try Syscall.readlink(path)
      }
    default: break
    }
  }

  private mutating func compareLinks(_ path: FilePath, _ found: [stat]) {
    guard found[0].st_mode & S_IFMT != S_IFDIR && found[0].st_nlink > 1 else { return }
    var firsts: [FilePath] = []
    for side in 0..<2 {
      firsts.append(linked[side][UInt64(found[side].st_ino)] ?? path)
      linked[side][UInt64(found[side].st_ino)] = firsts[side]
    }
    if firsts[0] != firsts[1] { report(path, "is a link to", firsts.map(\.description)) }
  }

  private mutating func compareXattrs(_ path: FilePath) {
    let names = both(path, "xattr names") {
      $0.joined(separator: " ")
    } _: {
      (path) throws(Errno) in
      try Syscall.xattrNames(path)
    }
    for name in names?[0] ?? [] {
      both(path, "xattr \(name)") {
        Outcome($0).description
      } _: { (path) throws(Errno) in
        try Syscall.xattr(path, name)
      }
    }
  }

  /// All flags but those that say how the file system keeps it: FS_INDEX_FL, EXT4_EXTENTS_FL,
  /// EXT4_INLINE_DATA_FL.
  private mutating func compareFlags(_ path: FilePath) {
    both(path, "flags") {
      String($0 & ~0x1008_1000, radix: 16)
    } _: { (path) throws(Errno) in
      let flags = O_RDONLY | O_NONBLOCK | Syscall.noAccessTimeFlag
      return try Syscall.withOpen(path, flags) { (file) throws(Errno) in try Syscall.flags(file) }
    }
  }

  /// Blocks of data must agree. Extent tree blocks depend on where data was put, an xattr block on how
  /// the attributes were packed: allowed are one xattr block, and the tree that the file would need
  /// if no two of its blocks were neighbours.
  ///
  /// A file with more blocks than its size can need has some beyond its end. Whether they survive a
  /// truncation depends on whether it makes the file shorter, and a FUSE server whose kernel caches
  /// writes may not know yet how long the file is; such files are left out.
  private mutating func compareSpace(_ path: FilePath, _ found: [stat]) {
    guard blockSize[0] == blockSize[1] else { return }
    let unit = blockSize[0] / 512
    let blocks = found.map { Int($0.st_blocks) / unit }
    let tolerance = blocks[0] / ((blockSize[0] - 12) / 12) + 2
    let needed = Int(found[0].st_size) / blockSize[0] + 1
    if blocks.contains(where: { $0 > needed + tolerance }) { return }
    if abs(blocks[0] - blocks[1]) > tolerance {
      report(path, "blocks of \(blockSize[0])", blocks.map(String.init))
    }
  }

  private mutating func compareDirectory(_ path: FilePath) {
    let names = both(path, "names") { names in
      let digest = names.reduce(into: UInt64(0)) { digest, name in
        for byte in name { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3 }
      }
      return "\(names.count) entries, digest \(digest)"
    } _: { (path) throws(Errno) in
      try Syscall.names(path)
    }
    guard let names else { return }
    let sets = names.map { Set($0) }
    for side in 0..<2 {
      let missing = names[side].filter { !sets[1 - side].contains($0) }
      for name in missing.prefix(3) {
        differences.append("\(path): \(String(decoding: name, as: UTF8.self)) only on side \(side)")
      }
      if sets[side].count != names[side].count {
        differences.append("\(path): a name is listed twice on side \(side)")
      }
    }
    for name in names[0] where sets[1].contains(name) {
      compareEntry(path.appending(component(name)))
    }
  }

  private func component(_ name: [UInt8]) -> FilePath.Component {
    FilePath.Component(platformString: name.map { CChar(bitPattern: $0) } + [0]) ?? "."
  }

  private mutating func compareContents(_ path: FilePath) {
    var files: [CInt] = []
    defer { for file in files { try? Syscall.close(file) } }
    do throws(Errno) {
      for side in sides {
        try Syscall.fchdir(side.root)
        files.append(try Syscall.open(path, O_RDONLY | Syscall.noAccessTimeFlag))
      }
      if let difference = try ContentComparison(files[0], files[1]).run() {
        differences.append("\(path): \(difference)")
      }
    } catch {
      differences.append("\(path): reading: errno \(error.rawValue), \(error)")
    }
  }
}
