import ArgumentParser
import Glibc

/// Makes a tree like that of a program's source: nested directories of a dozen files, most of them a few
/// KiB, some large, a few symbolic links. The same tree in every run.
struct SourceTree: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "source-tree")

  @Argument(help: "The directory, which must not exist.") var root: String
  @Option(help: "How many files.") var files = 4000

  private static let perDirectory = 12
  private static let words = [
    "the", "extent", "block", "of", "inode", "group", "return", "struct", "journal", "if", "map",
  ]

  func run() throws {
    var choice = Choice(seed: 4)
    var directories = [root]
    try makeDirectory(root)
    try Measurement.run { _ in
      for number in 0..<files {
        if number % Self.perDirectory == 0 {
          // Parents among the last few: as deep as real trees are.
          let oldest = max(0, directories.count - 20)
          let parent = directories[choice.next(in: oldest..<directories.count)]
          let directory =
            parent.count > 200 ? "\(root)/part\(number)" : "\(parent)/part\(number)"
          try makeDirectory(directory)
          directories.append(directory)
        }
        let path = "\(directories[directories.count - 1])/file\(number).c"
        if number % 97 == 96 {
          try WorkFailure.check(symlink("file\(number - 1).c", path) == 0, "link \(path)")
        } else {
          try write(Self.text(&choice), to: path)
        }
      }
      return files
    }
  }

  /// Half of the files are under 5 KiB, one in forty is over 100 KiB.
  private static func text(_ choice: inout Choice) -> [UInt8] {
    let doublings = choice.next(in: 0..<8) + (choice.next(in: 0..<16) == 0 ? 3 : 0)
    let size = (512 << min(doublings, 8)) + choice.next(in: 0..<512)
    var text: [UInt8] = []
    text.reserveCapacity(size + 16)
    while text.count < size {
      text += words[choice.next(in: 0..<words.count)].utf8
      text.append(UInt8(ascii: choice.next(in: 0..<9) == 0 ? "\n" : " "))
    }
    return text
  }

  private func makeDirectory(_ path: String) throws {
    try WorkFailure.check(mkdir(path, 0o755) == 0, "make \(path)")
  }

  private func write(_ bytes: [UInt8], to path: String) throws {
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    try WorkFailure.check(file >= 0, "create \(path)")
    defer { close(file) }
    try WorkFailure.check(Glibc.write(file, bytes, bytes.count) == bytes.count, "write \(path)")
  }
}
