import ArgumentParser
import Glibc

/// Opens, reads and closes each file.
struct Read: ParsableCommand {
  @OptionGroup var set: FileSet

  func run() throws {
    let set = set
    try Measurement.run(set) { client, watch in
      let paths = FilePaths(set)
      var buffer = [UInt8](repeating: 0, count: 65_536)
      var done = 0
      for number in set.share(of: client) {
        let path = paths.file(number)
        let file = open(path, O_RDONLY | O_CLOEXEC)
        try WorkFailure.check(file >= 0, "open \(String(cString: path))")
        defer { close(file) }
        var count = Glibc.read(file, &buffer, buffer.count)
        while count > 0 { count = Glibc.read(file, &buffer, buffer.count) }
        try WorkFailure.check(count == 0, "read \(String(cString: path))")
        done += 1
        if watch.isOver(after: done) { break }
      }
      return done
    }
  }
}

/// Appends to a new file, and waits for each piece to be on disk.
struct Append: ParsableCommand {
  @Argument(help: "The file, which must not exist.") var file: String
  @Option(help: "How often.") var count = 1000
  @Option(help: "Bytes at a time.") var bytes = 4096

  func run() throws {
    let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o644)
    try WorkFailure.check(descriptor >= 0, "create \(file)")
    defer { close(descriptor) }
    let content = [UInt8](repeating: UInt8(ascii: "x"), count: bytes)
    try Measurement.run { _ in
      for _ in 0..<count {
        try WorkFailure.check(
          Glibc.write(descriptor, content, bytes) == bytes, "append to \(file)")
        try WorkFailure.check(fsync(descriptor) == 0, "fsync \(file)")
      }
      return count
    }
  }
}

/// Makes a file of many extents: every second block is a hole.
struct Fragment: ParsableCommand {
  @Argument(help: "The file, which must not exist.") var file: String
  @Option(help: "How many extents of a block each.") var extents = 1000

  func run() throws {
    let descriptor = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    try WorkFailure.check(descriptor >= 0, "create \(file)")
    defer { close(descriptor) }
    let block = [UInt8](repeating: UInt8(ascii: "x"), count: ReadBlocks.blockSize)
    try Measurement.run { _ in
      for number in 0..<extents {
        try WorkFailure.check(
          pwrite(descriptor, block, block.count, off_t(2 * number * block.count)) == block.count,
          "write \(file)")
      }
      try WorkFailure.check(fsync(descriptor) == 0, "fsync \(file)")
      return extents
    }
  }
}

/// Reads blocks at random from what `Fragment` has made.
struct ReadBlocks: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "read-blocks")
  static let blockSize = 4096

  @Argument(help: "The file.") var file: String
  @Option(help: "How many extents it has.") var extents = 1000
  @Option(help: "How many blocks to read.") var count = 4000
  @Option(help: "Stop after so many seconds, done or not.") var seconds = 1e9

  func run() throws {
    let descriptor = open(file, O_RDONLY | O_CLOEXEC)
    try WorkFailure.check(descriptor >= 0, "open \(file)")
    defer { close(descriptor) }
    // The next blocks are no help to anybody.
    _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM)
    var buffer = [UInt8](repeating: 0, count: Self.blockSize)
    var choice = Choice(seed: 1)
    try Measurement.run(limit: seconds) { watch in
      var done = 0
      while done < count, !watch.isOver(after: done) {
        let number = choice.next(in: 0..<extents)
        let offset = off_t(2 * number * Self.blockSize)
        try WorkFailure.check(
          pread(descriptor, &buffer, buffer.count, offset) == buffer.count, "read \(file)")
        done += 1
      }
      return done
    }
  }
}
