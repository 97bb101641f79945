/// The lists that follow `-o`: names and `name=value`, separated by commas. A backslash makes the
/// next character part of the name or value, so that `fsname=a\,b` holds a comma.
enum MountOptionList {
  /// Applies one list, from left to right: what comes later wins.
  static func apply(_ list: String, to options: inout MountOptions) throws(StartupFailure) {
    for item in split(list) {
      let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(parts[0])
      guard let definition = MountOptionTable.definition(of: name) else {
        throw .usage("unknown mount option '\(name)'")
      }
      try definition.apply(value: parts.count == 2 ? String(parts[1]) : nil, to: &options)
    }
  }

  /// The items of a list without their escapes; empty ones are left out.
  static func split(_ list: String) -> [String] {
    var items: [String] = []
    var current = ""
    var escaped = false
    for character in list {
      switch character {
      case _ where escaped:
        current.append(character)
        escaped = false
      case "\\":
        escaped = true
      case ",":
        items.append(current)
        current = ""
      default:
        current.append(character)
      }
    }
    items.append(current)
    return items.filter { !$0.isEmpty }
  }

  /// The inverse of what `split` does to one item; libfuse reads its options the same way.
  static func escape(_ item: String) -> String {
    String(item.flatMap { $0 == "," || $0 == "\\" ? ["\\", $0] : [$0] })
  }
}
