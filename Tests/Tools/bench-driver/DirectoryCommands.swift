import ArgumentParser
import Glibc

/// Lists all directories; the operations are entries.
struct List: ParsableCommand {
  @OptionGroup var set: FileSet

  func run() throws {
    let set = set
    try Measurement.run(set) { client, _ in
      let paths = FilePaths(set)
      var entries = 0
      for number in set.directoryShare(of: client) {
        try DirectoryReading.forEachName(in: paths.directory(number)) { _, _ in entries += 1 }
      }
      return entries
    }
  }
}

/// Removes everything as `rm -r` does: lists a directory, removes what is in it, then the directory. The operations are files.
struct Unlink: ParsableCommand {
  @OptionGroup var set: FileSet

  func run() throws {
    let set = set
    try Measurement.run(set) { client, watch in
      let paths = FilePaths(set)
      var done = 0
      var isOver = false
      for number in set.directoryShare(of: client) where !isOver {
        let path = paths.directory(number)
        try DirectoryReading.forEachName(in: path) { directory, name in
          guard !isOver else { return }
          try WorkFailure.check(
            unlinkat(directory, name, 0) == 0, "remove \(String(cString: name))")
          done += 1
          isOver = watch.isOver(after: done)
        }
        if isOver { break }
        try WorkFailure.check(rmdir(path) == 0, "remove \(String(cString: path))")
      }
      return done
    }
  }
}

enum DirectoryReading {
  /// Calls `body` with the descriptor of the directory and each name but "." and "..".
  static func forEachName(
    in path: UnsafePointer<CChar>, _ body: (CInt, UnsafePointer<CChar>) throws -> Void
  ) throws {
    guard let directory = opendir(path) else {
      return try WorkFailure.check(false, "open \(String(cString: path))")
    }
    defer { closedir(directory) }
    let descriptor = dirfd(directory)
    errno = 0
    while let entry = readdir(directory) {
      try withUnsafePointer(to: &entry.pointee.d_name) { name in
        try name.withMemoryRebound(to: CChar.self, capacity: 256) { name in
          if strcmp(name, ".") == 0 || strcmp(name, "..") == 0 { return }
          try body(descriptor, name)
        }
      }
      errno = 0
    }
    try WorkFailure.check(errno == 0, "list \(String(cString: path))")
  }
}
