/// What a server has told the kernel of one file's mappings. The kernel drops mappings without saying so (fuse-iomap ABI 5.8), and
/// asks again when it needs one. So this is an upper bound of what the kernel has, and a record of how the file is used.
///
/// It decides how many mappings to push when the kernel asks for one. The answer to the first question about a file has a few; every
/// further answer has twice as many, since a file about which the kernel goes on asking is in use. For a file with more mappings than
/// the kernel keeps, only a question where the last answer ended (the file is read in order) gets more than the mapping that was asked
/// for.
public struct PublishedMappings: Sendable {
  /// Mappings that the kernel may hold: those pushed since everything was last dropped.
  public private(set) var count = 0
  /// The kernel has all mappings of the file, unless it has dropped some by itself.
  public private(set) var isWhole = false
  private var window = initialWindow
  /// Behind the last mapping that was pushed.
  private var end = FileOffset(0)
  /// The file had more mappings than the kernel keeps.
  private var isTooLarge = false

  private static let initialWindow = 64
  private static let largestWindow = 2048

  public init() {}

  /// The kernel asks about `position`: it does not have everything. Returns how many mappings to push now.
  public mutating func question(at position: FileOffset) -> Int {
    isWhole = false
    if isTooLarge, position != end {
      window = Self.initialWindow
      return 1
    }
    defer { window = min(window * 2, Self.largestWindow) }
    return window
  }

  /// Mappings to push before the kernel asks.
  public var unaskedWindow: Int { isTooLarge ? 1 : Self.initialWindow }

  /// `count` mappings up to `end` were pushed; `whole` when they were all that the file has.
  public mutating func note(_ count: Int, to end: FileOffset, whole: Bool) {
    // What was there before is replaced by all that there is.
    self.count = whole ? count : self.count + count
    self.end = end
    if whole { isWhole = true }
  }

  /// The file has changed: what the kernel has may not be all.
  public mutating func noteChange() { isWhole = false }

  /// The kernel was told to forget everything, because there was too much of it.
  public mutating func noteOverflow() {
    reset()
    isTooLarge = true
  }

  /// The kernel has forgotten everything, or the file.
  public mutating func reset() { self = PublishedMappings() }
}
