import Glibc
import SystemPackage

/// A directory being read, through the C library as programs do it.
public struct DirectoryStream: ~Copyable {
  /// One entry, its name byte for byte.
  public struct Entry: Hashable, Sendable {
    public let name: [UInt8]
    public let inode: UInt64
    /// DT_REG, DT_DIR, ...
    public let type: UInt8

    public var text: String { String(decoding: name, as: UTF8.self) }
    public var isDot: Bool { name == [0x2e] || name == [0x2e, 0x2e] }
  }

  private let stream: OpaquePointer

  public init(_ path: FilePath) throws(Errno) {
    guard let stream = path.withPlatformString({ opendir($0) }) else {
      throw Errno(rawValue: errno)
    }
    self.stream = stream
  }

  deinit {
    closedir(stream)
  }

  /// The next entry, "." and ".." included, or nil at the end.
  public func next() throws(Errno) -> Entry? {
    errno = 0
    guard let found = readdir(stream) else {
      guard errno == 0 else { throw Errno(rawValue: errno) }
      return nil
    }
    let name = withUnsafeBytes(of: &found.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
    return Entry(name: name, inode: UInt64(found.pointee.d_ino), type: found.pointee.d_type)
  }

  /// All entries from here to the end.
  public func rest() throws(Errno) -> [Entry] {
    var entries: [Entry] = []
    while let entry = try next() { entries.append(entry) }
    return entries
  }

  public func tell() -> Int { telldir(stream) }
  public func seek(_ position: Int) { seekdir(stream, position) }
  public func rewind() { rewinddir(stream) }
}

extension Syscall {
  /// The names in a directory but "." and "..", sorted.
  public static func names(_ path: FilePath) throws(Errno) -> [[UInt8]] {
    try DirectoryStream(path).rest().filter { !$0.isDot }.map(\.name)
      .sorted { $0.lexicographicallyPrecedes($1) }
  }
}
