import ArgumentParser
import Corruption
import Ext4
import Foundation
import Glibc
import TestSupport

/// Makes images that a power cut leaves: for Fuzzing/make-images.
struct Prepare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Changes the file system in a file, and leaves it as a power cut does.")

  @Flag(help: "With an empty log, and files without names in the orphan file.")
  var orphans = false

  @Argument(help: "A file with an image.") var file: String

  mutating func run() throws {
    let contents = Array(try Data(contentsOf: URL(fileURLWithPath: file)))
    let disk = try HostileDisk(capacity: contents.count)
    try disk.load(contents)
    if orphans { try Interruption.leaveOrphans(on: disk) } else { try Interruption.leave(on: disk) }
    try Data(disk.bytes.raw).write(to: URL(fileURLWithPath: file))
  }
}
