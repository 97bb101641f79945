/// The part of `--help` that the argument parser cannot know: examples, and the `-o` vocabulary.
enum HelpText {
  static let appendix = """
    MOUNT OPTIONS (-o):
    \(MountOptionTable.sections.map(describe).joined(separator: "\n\n"))

    EXAMPLES:
    \(examples)
    """

  private static let examples = """
      fuse4fs disk.img mnt                   mount a file system image
      fuse4fs -o ro disk.img mnt             only for reading
      fuse4fs -o partition=2 disk.img mnt    the second partition of a whole disk
      fuse4fs --replay disk.img              make an image whole after a crash
      fuse4fs -o fakeroot disk.img mnt       change files that belong to root
      fuse4fs -o uid=$(id -u),gid=$(id -g) disk.img mnt
                                             everything appears as yours
      fuse4fs stats mnt                      show what the mount has done so far
      fusermount3 -u mnt                     unmount
    """

  private static func describe(_ section: MountOptionTable.Section) -> String {
    let lines = section.options.flatMap { option in
      option.summary.isEmpty
        ? wrap(option.spelling, width: 70).map { "    \($0)" }
        : [line(option.spelling, option.summary)]
    }
    return (["  \(section.title):"] + lines).joined(separator: "\n")
  }

  private static func line(_ spelling: String, _ summary: String) -> String {
    let column = 22
    guard spelling.count < column else {
      return "    \(spelling)\n" + String(repeating: " ", count: column + 4) + summary
    }
    return "    \(spelling)" + String(repeating: " ", count: column - spelling.count) + summary
  }

  private static func wrap(_ text: String, width: Int) -> [String] {
    var lines = [""]
    for word in text.split(separator: " ") {
      let line = lines[lines.count - 1]
      if line.isEmpty {
        lines[lines.count - 1] = String(word)
      } else if line.count + 1 + word.count <= width {
        lines[lines.count - 1] += " \(word)"
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }
}
