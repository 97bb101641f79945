import Glibc
import SystemPackage

/// Where the blocks of a journal lie. Numbers of blocks are the journal's own, from 0: within its file, or, of an external journal,
/// within its whole device.
public struct JournalArea: Sendable {
  /// Blocks that follow each other on the device as in the journal.
  public struct Run: Sendable, Equatable {
    /// In blocks from the beginning of `device`.
    public let first: BlockNumber
    public let count: UInt32

    public init(first: BlockNumber, count: UInt32) {
      self.first = first
      self.count = count
    }
  }

  public let device: BlockDevice
  public let blockSize: Int
  public let blockCount: UInt32
  public let runs: [Run]
  /// The journal's block with which each run begins.
  private let starts: [UInt32]

  /// `runs` are those of the journal in its order, together no more blocks than a 32-bit number counts.
  public init(device: BlockDevice, blockSize: Int, runs: [Run]) {
    self.device = device
    self.blockSize = blockSize
    let runs = runs.filter { $0.count > 0 }
    self.runs = runs
    var starts: [UInt32] = []
    var count: UInt32 = 0
    for run in runs {
      starts.append(count)
      count = count &+ run.count
    }
    self.starts = starts
    blockCount = count
  }

  /// Fills `buffer`, some whole blocks, from `block` on; EIO when they are not all in the journal.
  public func read(
    _ block: UInt32, into buffer: UnsafeMutableRawBufferPointer
  ) throws(Errno) {
    try forEachPiece(block, byteCount: buffer.count) { (bytes, offset) throws(Errno) in
      try device.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[bytes]), at: offset)
    }
  }

  /// Writes `bytes`, some whole blocks, from `block` on; EIO when they are not all in the journal.
  public func write(_ bytes: UnsafeRawBufferPointer, at block: UInt32) throws(Errno) {
    try forEachPiece(block, byteCount: bytes.count) { (range, offset) throws(Errno) in
      try device.write(UnsafeRawBufferPointer(rebasing: bytes[range]), at: offset)
    }
  }

  /// Makes the device forget what is in `blocks`, all of them in the journal.
  func discard(_ blocks: Range<UInt32>) throws(Errno) {
    try forEachPiece(blocks.lowerBound, byteCount: blocks.count * blockSize) {
      (range, offset) throws(Errno) in try device.discard(UInt64(range.count), at: offset)
    }
  }

  func zero(_ blocks: Range<UInt32>) throws(Errno) {
    try forEachPiece(blocks.lowerBound, byteCount: blocks.count * blockSize) {
      (range, offset) throws(Errno) in try device.writeZeros(UInt64(range.count), at: offset)
    }
  }

  /// Calls `body` for each part of the buffer that is in one run, with its place on the device.
  private func forEachPiece(
    _ block: UInt32, byteCount: Int, _ body: (Range<Int>, UInt64) throws(Errno) -> Void
  ) throws(Errno) {
    let blocks = byteCount / blockSize
    guard byteCount % blockSize == 0, UInt64(block) + UInt64(blocks) <= UInt64(blockCount) else {
      throw .ioError
    }
    var index = indexOfRun(with: block)
    var within = block
    var done = 0
    while done < blocks {
      let skipped = within - starts[index]
      let count = min(blocks - done, Int(runs[index].count - skipped))
      let first = runs[index].first.rawValue + UInt64(skipped)
      try body(
        done * blockSize..<(done + count) * blockSize, first * UInt64(blockSize))
      done += count
      within += UInt32(count)
      index += 1
    }
  }

  /// The last run that begins at `block` or before.
  private func indexOfRun(with block: UInt32) -> Int {
    var low = 0
    var high = starts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= block { low = middle } else { high = middle }
    }
    return low
  }
}
