/// A path that leads to an open descriptor of the process that uses it.
enum DescriptorPath {
  /// N of `/proc/self/fd/N` and `/dev/fd/N`; nil for any other path.
  static func number(in path: String) -> CInt? {
    guard let prefix = ["/proc/self/fd/", "/dev/fd/"].first(where: path.hasPrefix) else {
      return nil
    }
    let digits = path.dropFirst(prefix.count)
    return digits.allSatisfy { ("0"..."9").contains($0) } ? CInt(digits) : nil
  }
}
