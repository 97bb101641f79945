import Ext4
import TestSupport

/// What is done to a file system while it is recorded, and what file system that is.
public struct Workload: Sendable {
  public typealias Body = @Sendable (RecordedVolume, inout SeededGenerator) throws -> Void

  public var name: String
  public var type = "ext4"
  /// What mke2fs(8) takes for -O.
  public var features: [String] = []
  public var blockSize = 1024
  /// Bytes of the disk.
  public var byteCount = 8 << 20
  /// Bytes of another device that holds the journal, if it is to have one; only root can make that.
  public var journalByteCount = 0
  /// More of what mke2fs(8) takes.
  public var options: [String] = ["-J", "size=1"]
  /// Makes in a directory what mke2fs(8) copies into the image.
  public var tree: (@Sendable (Scratch) throws -> Void)?
  /// What happens before it is recorded.
  public var setUp: Body = { _, _ in }
  public var body: Body
  /// How much of what was read is kept in memory; the least that there is has much read again.
  public var cacheSizes = CacheSizes.standard
  /// What is done on a disk that has lived through a power cut.
  public var secondLife: Body?

  public init(_ name: String, _ body: @escaping Body) {
    self.name = name
    self.body = body
  }

  /// The same with other properties.
  public func with(_ change: (inout Workload) -> Void) -> Workload {
    var copy = self
    change(&copy)
    return copy
  }
}
