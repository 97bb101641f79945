import Glibc
import SystemPackage
import TestSupport

extension Side {
  func performOnDirectory(_ operation: Operation) throws(Errno) -> Outcome {
    switch operation {
    case .syncDirectory(let path):
      try Syscall.withOpen(path, O_RDONLY | O_DIRECTORY) { (file) throws(Errno) in
        try Syscall.fsync(file)
      }
    case .resume(let path, let position, let churn):
      return try resume(path, position: position, churn: churn)
    case .fill(let directory, let prefix, let count):
      for index in 0..<count {
        try Syscall.mknod(directory.appending(name(prefix, index)), mode: S_IFREG | 0o600)
      }
    case .drain(let directory, let prefix, let count):
      for index in 0..<count {
        try Syscall.unlink(directory.appending(name(prefix, index)))
      }
    default: break
    }
    return Outcome()
  }

  /// Names of different lengths, so that entries of different sizes share blocks.
  private func name(_ prefix: String, _ index: Int) -> String {
    "\(prefix)\(index)" + String(repeating: "-", count: index * 37 % 101)
  }

  /// The order of a directory is the file system's choice; the names are compared with the other
  /// side's. What is there all the time must be found once, and again when returning to a place.
  private func resume(_ path: FilePath, position: Int, churn: Int) throws(Errno) -> Outcome {
    let stream = try DirectoryStream(path)
    var first: [DirectoryStream.Entry] = []
    for _ in 0..<position {
      guard let entry = try stream.next() else { break }
      first.append(entry)
    }
    let place = stream.tell()
    // Where "." and ".." come, and whether they come again, is left open.
    let rest = try stream.rest().filter { !$0.isDot }
    let made = (0..<churn).map { path.appending(name("churn", $0)) }
    for file in made { try Syscall.mknod(file, mode: S_IFREG | 0o600) }
    for file in made.enumerated().filter({ $0.offset % 2 == 0 }) {
      try Syscall.unlink(file.element)
    }
    stream.seek(place)
    let again = try stream.rest().filter { !$0.isDot && !$0.text.hasPrefix("churn") }
    for file in made.enumerated().filter({ $0.offset % 2 == 1 }) {
      try Syscall.unlink(file.element)
    }
    guard again.map(\.name) == rest.map(\.name) else {
      let (before, after) = (Set(rest.map(\.text)), Set(again.map(\.text)))
      return Outcome(
        "returning to entry \(position): \(again.count) entries instead of \(rest.count), missing "
          + "\(before.subtracting(after).sorted()), added \(after.subtracting(before).sorted())")
    }
    let all = (first + rest).filter { !$0.isDot }
    return Outcome(all.map(\.text).sorted().joined(separator: "\n"))
  }
}
