import ArgumentParser
import Glibc

/// Creates the files, each written in one piece. The directories are made before the clock runs.
struct Create: ParsableCommand {
  @OptionGroup var set: FileSet
  @Option(help: "Bytes in each file.") var bytes = 4096

  func run() throws {
    let set = set
    let bytes = bytes
    try makeDirectories()
    let content = [UInt8](repeating: UInt8(ascii: "x"), count: bytes)
    try Measurement.run(set) { client, watch in
      let paths = FilePaths(set)
      var done = 0
      for number in set.share(of: client) {
        let path = paths.file(number)
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        try WorkFailure.check(file >= 0, "create \(String(cString: path))")
        defer { close(file) }
        if bytes > 0 {
          let count = Glibc.write(file, content, bytes)
          try WorkFailure.check(count == bytes, "write \(String(cString: path))")
        }
        done += 1
        if watch.isOver(after: done) { break }
      }
      return done
    }
  }

  private func makeDirectories() throws {
    try WorkFailure.check(mkdir(set.root, 0o755) == 0 || errno == EEXIST, "make \(set.root)")
    let paths = FilePaths(set)
    for number in 0..<set.directoryCount {
      let path = paths.directory(number)
      try WorkFailure.check(mkdir(path, 0o755) == 0, "make \(String(cString: path))")
    }
  }
}

/// Looks at the files' attributes, in the order of their numbers, or at some of them in a random order.
struct Stat: ParsableCommand {
  @OptionGroup var set: FileSet
  @Option(help: "Only so many, chosen at random, the same ones in every run.") var sample: Int?
  @Option(help: "How often.") var times = 1

  func run() throws {
    let set = set
    let sample = sample
    let times = times
    try Measurement.run(set) { client, watch in
      let paths = FilePaths(set)
      var choice = Choice(seed: UInt64(client))
      let share = set.share(of: client)
      guard !share.isEmpty else { return 0 }
      var status = stat()
      var done = 0
      for turn in 0..<(sample.map { $0 / set.clients } ?? share.count) * times {
        let path = paths.file(
          sample == nil ? share.lowerBound + turn % share.count : choice.next(in: share))
        try WorkFailure.check(lstat(path, &status) == 0, "look at \(String(cString: path))")
        done += 1
        if watch.isOver(after: done) { break }
      }
      return done
    }
  }
}

/// Gives each file another name in its directory.
struct Rename: ParsableCommand {
  @OptionGroup var set: FileSet

  func run() throws {
    let set = set
    try Measurement.run(set) { client, watch in
      let old = FilePaths(set)
      let new = FilePaths(set, prefix: "r")
      var done = 0
      for number in set.share(of: client) {
        let path = old.file(number)
        try WorkFailure.check(
          rename(path, new.file(number)) == 0, "rename \(String(cString: path))")
        done += 1
        if watch.isOver(after: done) { break }
      }
      return done
    }
  }
}
