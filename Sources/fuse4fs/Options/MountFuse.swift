/// mount.fuse3(8), which mount(8) runs where no helper of ours is installed.
///
/// It adds `dev` and `suid` to whatever root mounts, and mount(8) keeps those that a person has given to itself: both must be said in another
/// way then, as `allow_dev` and `allow_suid`.
enum MountFuse {
  /// A command line of the form that it makes, `DEVICE MOUNTPOINT -o rw,...,dev,suid`, without what it adds.
  static func withoutItsDefaults(_ arguments: [String]) -> [String] {
    guard arguments.count == 4, arguments[2] == "-o" else { return arguments }
    var options = arguments[3].split(separator: ",", omittingEmptySubsequences: false)
    guard options.first == "rw" || options.first == "ro" else { return arguments }
    for added in ["suid", "dev"] where options.last.map(String.init) == added {
      options.removeLast()
    }
    return arguments[..<3] + [options.joined(separator: ",")]
  }
}
