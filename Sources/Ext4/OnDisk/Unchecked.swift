/// A number as the disk has it, which no code has judged yet.
///
/// It has no arithmetic and no order, and is no index or bound: what may trap on a number from a damaged image does not compile. Its value
/// comes out of `in`, which throws, and of `clamped`; what has been checked is an ordinary number from there on.
struct Unchecked<Value: FixedWidthInteger & Sendable>: Sendable {
  private let raw: Value

  @inline(__always)
  init(_ raw: Value) { self.raw = raw }

  /// The value, if it lies in `range`; EUCLEAN for `inode` (0 for the file system as a whole), with `what` for the log, if not.
  @inline(__always)
  func `in`(
    _ range: ClosedRange<Value>, of inode: InodeNumber = InodeNumber(0), _ what: StaticString
  ) throws(Ext4Error) -> Value {
    guard range.contains(raw) else { throw .corrupted(inode, what: what) }
    return raw
  }

  /// The value, if it lies in `range`.
  @inline(__always)
  func ifIn(_ range: ClosedRange<Value>) -> Value? { range.contains(raw) ? raw : nil }

  /// The value, or the end of `range` that is nearer to it: for counts that are only shown or only save work.
  @inline(__always)
  func clamped(to range: ClosedRange<Value>) -> Value {
    min(max(raw, range.lowerBound), range.upperBound)
  }

  @inline(__always)
  static func == (field: Self, value: Value) -> Bool { field.raw == value }
}

extension Unchecked: CustomStringConvertible {
  /// For messages to people.
  var description: String { "\(raw)" }
}
