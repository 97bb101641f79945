import ArgumentParser

/// Numbered files spread over numbered directories: which names there are follows from three numbers.
struct FileSet: ParsableArguments {
  @Argument(help: "The directory that holds the directories.") var root: String
  @Option(help: "How many files.") var files = 1000
  @Option(help: "How many of them in a directory.") var perDirectory = 200
  @Option(help: "Threads that share the work, each with files of its own.") var clients = 1
  @Option(help: "Stop after so many seconds, done or not.") var seconds = 1e9

  func validate() throws {
    guard files > 0, perDirectory > 0, clients > 0, files <= 9_999_999 else {
      throw ValidationError("There must be some files, and not more than 9,999,999.")
    }
  }

  var directoryCount: Int { (files + perDirectory - 1) / perDirectory }

  /// The files of one client; directories are not shared where there are enough of them.
  func share(of client: Int) -> Range<Int> {
    func bound(_ client: Int) -> Int {
      guard directoryCount >= clients else { return files * client / clients }
      return min(files, directoryCount * client / clients * perDirectory)
    }
    return bound(client)..<bound(client + 1)
  }

  func directoryShare(of client: Int) -> Range<Int> {
    (directoryCount * client / clients)..<(directoryCount * (client + 1) / clients)
  }
}
