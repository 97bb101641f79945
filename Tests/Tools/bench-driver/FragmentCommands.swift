import ArgumentParser
import Glibc

/// A file of so many blocks of data in so many extents of the same length, with a hole of one block after each.
struct FragmentedFile: ParsableArguments {
  static let blockSize = 4096

  @Argument(help: "The file.") var file: String
  @Option(help: "How many extents it has.") var extents = 1000
  @Option(help: "How many blocks of data, which all extents share.") var blocks = 100_000

  func validate() throws {
    guard extents > 0, blocks >= extents else {
      throw ValidationError("There must be a block for each extent.")
    }
  }

  /// Blocks in an extent.
  var run: Int { blocks / extents }

  func offset(ofExtent number: Int) -> Int { number * (run + 1) * Self.blockSize }

  /// Where a block of data is, of those that are not holes.
  func offset(ofBlock number: Int) -> Int {
    offset(ofExtent: number / run) + number % run * Self.blockSize
  }
}

/// Makes such a file.
struct Fragment: ParsableCommand {
  @OptionGroup var layout: FragmentedFile

  func run() throws {
    let file = layout.file
    let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    try WorkFailure.check(descriptor >= 0, "create \(file)")
    defer { close(descriptor) }
    let content = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
    try Measurement.run { _ in
      for number in 0..<layout.extents {
        var offset = layout.offset(ofExtent: number)
        let end = offset + layout.run * FragmentedFile.blockSize
        while offset < end {
          let count = min(content.count, end - offset)
          try WorkFailure.check(
            pwrite(descriptor, content, count, off_t(offset)) == count, "write \(file)")
          offset += count
        }
      }
      try WorkFailure.check(fsync(descriptor) == 0, "fsync \(file)")
      return layout.extents
    }
  }
}

/// Reads blocks at random from such a file.
struct ReadBlocks: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "read-blocks")

  @OptionGroup var layout: FragmentedFile
  @Option(help: "How many blocks to read.") var count = 4000
  @Option(help: "Stop after so many seconds, done or not.") var seconds = 1e9

  func run() throws {
    let descriptor = open(layout.file, O_RDONLY | O_CLOEXEC)
    try WorkFailure.check(descriptor >= 0, "open \(layout.file)")
    defer { close(descriptor) }
    // The blocks behind it will not be read: no read-ahead.
    _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM)
    var buffer = [UInt8](repeating: 0, count: FragmentedFile.blockSize)
    var choice = Choice(seed: 1)
    let blocks = 0..<layout.extents * layout.run
    try Measurement.run(limit: seconds) { watch in
      var done = 0
      while done < count, !watch.isOver(after: done) {
        let offset = off_t(layout.offset(ofBlock: choice.next(in: blocks)))
        try WorkFailure.check(
          pread(descriptor, &buffer, buffer.count, offset) == buffer.count,
          "read \(layout.file)")
        done += 1
      }
      return done
    }
  }
}
