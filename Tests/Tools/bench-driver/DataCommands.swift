import ArgumentParser
import Glibc

/// Opens, reads and closes each file.
struct Read: ParsableCommand {
  @OptionGroup var set: FileSet
  @Option(help: "How often.") var times = 1

  func run() throws {
    let set = set
    let times = times
    try Measurement.run(set) { client, watch in
      let paths = FilePaths(set)
      var buffer = [UInt8](repeating: 0, count: 65_536)
      var done = 0
      let share = set.share(of: client)
      for turn in 0..<share.count * times {
        let path = paths.file(share.lowerBound + turn % share.count)
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
