import Foundation
import SystemPackage

/// An image mounted by fuse4fs.
public struct Mounted: Sendable {
  public let source: FilePath
  public let point: FilePath
  public let user: TestUser?
  /// What the command printed before it returned.
  public let messages: String

  /// How a mount is to be made, and what is to be true after it.
  public struct Plan: Sendable {
    /// What -o takes.
    public var options: [String]
    /// Other arguments, before the device.
    public var arguments: [String]
    /// The user who mounts; root when nil.
    public var user: TestUser?
    /// Whether e2fsck -fn must be silent afterwards.
    public var check: Bool
    /// Seconds after which the daemon is killed, so that waiting calls get ENOTCONN.
    public var timeout: Int
    /// NAME=VALUE, in addition to the environment of the tests.
    public var environment: [String]

    public init(
      options: [String] = [], arguments: [String] = [], user: TestUser? = nil, check: Bool = true,
      timeout: Int = 120, environment: [String] = []
    ) {
      self.options = options
      self.arguments = arguments
      self.user = user
      self.check = check
      self.timeout = timeout
      self.environment = environment
    }
  }

  /// Mounts, runs the body, unmounts, waits until the image is written, and checks it.
  ///
  /// Whatever the body does, nothing stays mounted. The body's error goes before those of the end.
  public static func with<R>(
    _ image: Image, at point: FilePath, _ plan: Plan = Plan(), _ body: (Mounted) throws -> R
  ) throws -> R {
    let mounted = try Mounted(image.path, at: point, plan)
    let watchdog = Watchdog(seconds: plan.timeout * Sanitizer.patience) { Daemon.kill(at: point) }
    let result: Result<R, any Error>
    do { result = .success(try body(mounted)) } catch { result = .failure(error) }
    watchdog.callOff()
    do {
      try mounted.end()
      if plan.check { try image.check() }
    } catch {
      _ = try result.get()
      throw error
    }
    return try result.get()
  }

  /// Mounts; the caller sees to the end of it.
  public init(_ source: FilePath, at point: FilePath, _ plan: Plan = Plan()) throws {
    self.source = source
    self.point = point
    user = plan.user
    let result = try Mounted.attempt(source, at: point, plan)
    guard result.succeeded else { throw Failure(result.description) }
    messages = result.output + result.errors
  }

  /// Runs the mount command and returns how it ended.
  public static func attempt(_ source: FilePath, at point: FilePath, _ plan: Plan = Plan()) throws
    -> Command.Result
  {
    let options = plan.options.isEmpty ? [] : ["-o", plan.options.joined(separator: ",")]
    return try Command(
      [try Daemon.binary.get().string] + options + plan.arguments + [source.string, point.string],
      as: plan.user, environment: plan.environment
    ).run()
  }

  /// Unmounts as its user does and waits for the daemon's end, which is when the image is complete.
  public func unmount() throws {
    let command = user == nil ? ["umount"] : ["fusermount3", "-u"]
    try Command(command + [point.string], as: user).succeed()
    try Mounted.waitForEnd(of: source)
  }

  /// Waits until no daemon has the image for writing.
  public static func waitForEnd(of source: FilePath) throws {
    try Command(["flock", "--shared", source.string, "true"], timeout: 120).succeed()
  }

  /// Unmounts if it still is mounted; by force if need be, which is an error.
  private func end() throws {
    guard MountTable.entry(at: point) != nil else { return try Mounted.waitForEnd(of: source) }
    do {
      try unmount()
    } catch {
      Daemon.kill(at: point)
      _ = try Command(["umount", "--lazy", point.string]).run()
      throw error
    }
  }
}
