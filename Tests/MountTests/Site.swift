import Glibc
import SystemPackage
import TestSupport
import Testing

/// All tests with real mounts: one after the other, as root, who becomes other users where it matters.
@Suite(
  "Real mounts", .serialized,
  .enabled(if: geteuid() == 0, "mounting images for the kernel and for other users needs root"))
enum RealMounts {}

/// An image of its own and a place to mount it, for one test.
struct Site {
  let scratch: Scratch
  let image: Image
  let point: FilePath

  /// Makes both; `owner`'s, if there is one. The parameters are those of `Image.init`.
  static func with(
    size: String = "64M", type: String = "ext4", features: [String] = [], blockSize: Int = 4096,
    tree: FilePath? = nil, options: [String] = [], owner: TestUser? = nil,
    _ body: (Site) throws -> Void
  ) throws {
    try Scratch.with(owner: owner) { scratch in
      let image = try Image(
        at: scratch.appending("disk.img"), size: size, type: type, features: features,
        blockSize: blockSize, tree: tree, options: options, owner: owner)
      try body(Site(scratch: scratch, image: image, point: scratch.directory("mnt")))
    }
  }

  /// Mounts the image by fuse4fs; afterwards e2fsck must have nothing to say.
  @discardableResult
  func mount<R>(_ plan: Mounted.Plan, _ body: (FilePath) throws -> R) throws -> R {
    try Mounted.with(image, at: point, plan) { try body($0.point) }
  }

  @discardableResult
  func mount<R>(options: [String] = [], _ body: (FilePath) throws -> R) throws -> R {
    try mount(Mounted.Plan(options: options), body)
  }

  /// Mounts the image by the kernel.
  @discardableResult
  func kernel<R>(options: [String] = [], _ body: (FilePath) throws -> R) throws -> R {
    try KernelMount.with(image, at: point, options: options, body)
  }
}

/// One mount of a fresh file system.
func onMount(
  size: String = "64M", type: String = "ext4", features: [String] = [], blockSize: Int = 4096,
  options: [String] = [], mount: [String] = [], _ body: (FilePath) throws -> Void
) throws {
  try Site.with(
    size: size, type: type, features: features, blockSize: blockSize, options: options
  ) { site in
    try site.mount(options: mount, body)
  }
}

extension FilePath {
  /// Makes or replaces the file.
  func write(_ bytes: [UInt8]) throws(Errno) {
    try Syscall.withOpen(self, O_WRONLY | O_CREAT | O_TRUNC) { (file) throws(Errno) in
      _ = try Syscall.write(file, bytes, at: 0)
    }
  }

  func write(_ text: String = "") throws(Errno) {
    try write(Array(text.utf8))
  }

  func bytes() throws(Errno) -> [UInt8] {
    try Syscall.withOpen(self, O_RDONLY) { (file) throws(Errno) in
      try Syscall.read(file, count: Int(try Syscall.fstat(file).st_size), at: 0)
    }
  }

  func text() throws(Errno) -> String {
    String(decoding: try bytes(), as: UTF8.self)
  }

  var exists: Bool { (try? Syscall.lstat(self)) != nil }

  /// The names in this directory, sorted.
  func names() throws(Errno) -> [String] {
    try Syscall.names(self).map { String(decoding: $0, as: UTF8.self) }
  }
}

/// Times that compare and print.
struct Moment: Equatable, Comparable {
  var seconds: Int
  var nanoseconds: Int

  init(_ time: timespec) {
    (seconds, nanoseconds) = (time.tv_sec, time.tv_nsec)
  }

  init(seconds: Int, nanoseconds: Int) {
    (self.seconds, self.nanoseconds) = (seconds, nanoseconds)
  }

  static var now: Moment {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Moment(time)
  }

  static func < (first: Moment, second: Moment) -> Bool {
    (first.seconds, first.nanoseconds) < (second.seconds, second.nanoseconds)
  }

  var value: timespec { timespec(tv_sec: seconds, tv_nsec: nanoseconds) }
}
