/// An operation of a bounded workload, with its arguments: what ACE (Mohan et al., OSDI 2018) draws on, over a few files in the
/// root and in the directories A and B.
public enum BoundedOperation: Hashable, Sendable {
  /// How data gets into a file.
  public enum Way: String, CaseIterable, Sendable {
    /// write(2): reaches the file system as write-back of whole pages.
    case buffered
    /// write(2) with O_DIRECT: reaches the file system as it is.
    case direct
    /// Stores to a shared mapping: stay in the page cache until the file is synchronised.
    case mapped
  }

  /// Where, in relation to what the file holds.
  public enum Place: String, CaseIterable, Sendable {
    /// Behind the end.
    case append
    /// Within the file.
    case overwrite
    /// From within the file to behind the end.
    case spanning
  }

  /// The modes of fallocate(2).
  public enum Allocation: String, CaseIterable, Sendable {
    case allocate, keepSize, zeroRange, zeroRangeKeepSize, punchHole
  }

  public enum Size: String, CaseIterable, Sendable {
    /// To a boundary of blocks.
    case aligned
    case unaligned
    case longer
  }

  case create(String)
  case makeDirectory(String)
  case allocate(String, Allocation, Place)
  case write(String, Way, Place)
  case truncate(String, Size)
  case link(String, String)
  case symbolicLink(String, String)
  case unlink(String)
  /// remove(3): of a file or a directory.
  case remove(String)
  /// Onto a name that is free, or taken.
  case rename(String, String, replacing: Bool)
  case setAttribute(String)
  case removeAttribute(String)
  /// Not one of ACE's: gives a file that others depend on something to hold.
  case fill(String)

  /// The files, directories and names that it is about, those that change first.
  public var paths: [String] {
    switch self {
    case .create(let path), .makeDirectory(let path), .allocate(let path, _, _),
      .write(let path, _, _), .truncate(let path, _), .unlink(let path), .remove(let path),
      .setAttribute(let path), .removeAttribute(let path), .fill(let path):
      [path]
    case .link(let old, let new), .symbolicLink(let old, let new): [new, old]
    case .rename(let old, let new, _): [new, old]
    }
  }

  /// The bytes of a file of `size` that it is about.
  static func range(_ place: Place, _ way: Way = .buffered, size: Int) -> Range<Int> {
    // O_DIRECT takes whole blocks.
    let unit = way == .direct ? 1024 : 1
    func rounded(_ value: Int) -> Int { value / unit * unit }
    // A mapping ends with the file, which has been made longer before.
    let size = way == .mapped ? size - growth : size
    switch place {
    case .append: return rounded(size)..<rounded(size) + growth
    case .overwrite: return rounded(1500)..<rounded(5600)
    case .spanning: return rounded(size - 2000)..<rounded(size) + growth
    }
  }

  /// Bytes behind the end.
  private static let growth = 3072

  static func length(_ size: Size) -> Int {
    switch size {
    case .aligned: 4096
    case .unaligned: 5000
    case .longer: 14_000
    }
  }

  /// Bytes that `fill` writes; a little more than two pages, and no whole block at the end.
  static let filled = 10_000
  static let attribute = "user.bounded"
}

extension BoundedOperation: CustomStringConvertible {
  public var description: String {
    switch self {
    case .create(let path): "create \(path)"
    case .makeDirectory(let path): "mkdir \(path)"
    case .allocate(let path, let mode, let place): "falloc \(path) \(mode) \(place)"
    case .write(let path, let way, let place): "\(way) write \(path) \(place)"
    case .truncate(let path, let size): "truncate \(path) \(size)"
    case .link(let old, let new): "link \(old) \(new)"
    case .symbolicLink(let target, let path): "symlink \(target) \(path)"
    case .unlink(let path): "unlink \(path)"
    case .remove(let path): "remove \(path)"
    case .rename(let old, let new, let replacing):
      "rename \(old) \(new)\(replacing ? ", which is there" : "")"
    case .setAttribute(let path): "setxattr \(path)"
    case .removeAttribute(let path): "removexattr \(path)"
    case .fill(let path): "fill \(path)"
    }
  }
}

extension BoundedOperation {
  /// All operations with all arguments: the first and the second phase. What comes second in a pair comes from other files, so that
  /// each combination is there once.
  public static let all: [BoundedOperation] = {
    let files = ["foo", "A/foo"]
    let others = ["bar", "A/bar"]
    let directories = ["A", "B"]
    var all: [BoundedOperation] = []
    all += (files + ["B/foo"]).map { .create($0) }
    all += (directories + ["A/C"]).map { .makeDirectory($0) }
    for file in files {
      for place in Place.allCases {
        all += Allocation.allCases.map { .allocate(file, $0, place) }
        all += Way.allCases.map { .write(file, $0, place) }
      }
      all += Size.allCases.map { .truncate(file, $0) }
      all += others.flatMap { [.link(file, $0), .symbolicLink(file, $0)] }
      all += others.flatMap { other in
        [false, true].map { .rename(file, other, replacing: $0) }
      }
      all += [.rename(file, "B/foo", replacing: false), .link(file, "B/bar")]
    }
    all += [.rename("A", "B", replacing: false), .rename("A", "B", replacing: true)]
    all += [.rename("B", "A/C", replacing: false)]
    all += files.map { .unlink($0) }
    all += (files + directories).map { .remove($0) }
    all += (files + ["A"]).flatMap { [.setAttribute($0), .removeAttribute($0)] }
    return all
  }()
}
