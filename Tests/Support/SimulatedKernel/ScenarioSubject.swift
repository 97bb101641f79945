import Foundation
import SystemPackage
import TestSupport

/// What a scenario is run on: how to get an image and a daemon that serves it.
public struct ScenarioSubject: Sendable {
  /// What a scenario's image must be.
  public struct Fixture: Sendable, Equatable {
    public var blockSize: UInt64 = 4096
    /// In bytes.
    public var size: UInt64 = 64 << 20
    /// Files have block maps, not extents.
    public var isIndirect = false
    /// "small" has its data in the inode.
    public var hasInlineData = false

    public init() {}
  }

  public var rules: RuleBook
  /// Makes an image with the files of `Fixture.files`.
  public var makeImage: @Sendable (Fixture) throws -> FilePath
  /// A double on an image with a daemon behind it, not started.
  public var mount: @Sendable (SimulatedKernel.Configuration, FilePath) throws -> SimulatedKernel
  /// After `unmount` or `abort`: waits until the daemon has let go of the image.
  public var finish: @Sendable (SimulatedKernel) throws -> Void
  /// Throws unless the image is consistent. The daemon is gone, and a journal may be left.
  public var verifyImage: @Sendable (FilePath) throws -> Void
  /// Makes all device writes and flushes of the daemon itself fail from now on (I-60). Nil: there is no way.
  public var breakDevice: (@Sendable (SimulatedKernel) -> Void)?
  /// Of the file of I-79.
  public var fragments = 100_000
  /// Requests that wait for a flush in I-78: more than the daemon has ordinary workers.
  public var blockers = 32

  public init(
    rules: RuleBook, makeImage: @escaping @Sendable (Fixture) throws -> FilePath,
    mount: @escaping @Sendable (SimulatedKernel.Configuration, FilePath) throws -> SimulatedKernel,
    finish: @escaping @Sendable (SimulatedKernel) throws -> Void,
    verifyImage: @escaping @Sendable (FilePath) throws -> Void = { _ in },
    breakDevice: (@Sendable (SimulatedKernel) -> Void)? = nil
  ) {
    self.rules = rules
    self.makeImage = makeImage
    self.mount = mount
    self.finish = finish
    self.verifyImage = verifyImage
    self.breakDevice = breakDevice
  }

  /// Mounts a fresh image, runs the body, unmounts.
  func with(
    _ configuration: SimulatedKernel.Configuration = .init(), _ fixture: Fixture = Fixture(),
    _ body: (SimulatedKernel) throws -> Void
  ) throws {
    try with(configuration, image: try makeImage(fixture), body)
  }

  func with(
    _ configuration: SimulatedKernel.Configuration, image: FilePath,
    _ body: (SimulatedKernel) throws -> Void
  ) throws {
    let kernel = try mount(configuration, image)
    do {
      try kernel.start()
      try body(kernel)
      try kernel.unmount()
    } catch {
      kernel.releaseFlushes()
      kernel.abort()
      try? finish(kernel)
      throw error
    }
    try finish(kernel)
    try verifyImage(image)
  }
}

extension ScenarioSubject.Fixture {
  /// In the root, of root: "data" (100 KiB of `contents`, mode 0644), "small" (40 bytes of it), and
  /// "sync", "append" and "immutable", which have the flags of these names.
  public static let names = ["data", "small", "sync", "append", "immutable"]
  public static let contents = SeededGenerator.bytes(100 << 10, seed: 42)

  /// Makes it as an ext4 image.
  public func makeExt4(at path: FilePath) throws -> Image {
    let tree = FilePath(path.string + ".tree")
    try Syscall.mkdir(tree)
    defer { _ = try? Command(["rm", "-rf", tree.string]).run() }
    for name in Self.names {
      let bytes = name == "data" ? Self.contents : Array(Self.contents.prefix(40))
      try Data(bytes).write(to: URL(fileURLWithPath: tree.appending(name).string))
    }
    var features: [String] = []
    if isIndirect { features.append("^extents,^64bit,^metadata_csum") }
    if hasInlineData { features.append("inline_data") }
    let image = try Image(
      at: path, size: "\(size >> 10)K", features: features, blockSize: Int(blockSize), tree: tree,
      options: ["-I", "256"])
    for (name, flag) in [("sync", 0x8), ("append", 0x20), ("immutable", 0x10)] {
      let shown = try image.debugfs("stat /\(name)")
      guard let match = shown.firstMatch(of: /Flags: 0x([0-9a-f]+)/),
        let flags = Int(match.output.1, radix: 16)
      else { throw Failure("debugfs shows no flags of \(name)") }
      try image.debugfs(
        "set_inode_field /\(name) flags 0x\(String(flags | flag, radix: 16))", write: true)
    }
    return image
  }
}
