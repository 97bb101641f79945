import IomapCache

extension Request.SetAttributes: CustomStringConvertible {
  /// What is to be set.
  public var description: String {
    var parts: [String] = []
    func add(_ flag: AttributeSelection, _ text: @autoclosure () -> String) {
      if selection.contains(flag) { parts.append(text()) }
    }
    add(.mode, "mode \(Numbers.octal(mode))")
    add(.userID, "user \(userID)")
    add(.groupID, "group \(groupID)")
    add(.size, "size \(size)")
    if selection.contains(.accessTimeNow) {
      parts.append("atime now")
    } else {
      add(.accessTime, "atime \(Numbers.time(accessTime))")
    }
    if selection.contains(.modificationTimeNow) {
      parts.append("mtime now")
    } else {
      add(.modificationTime, "mtime \(Numbers.time(modificationTime))")
    }
    add(.changeTime, "ctime \(Numbers.time(changeTime))")
    add(.killSetID, "without set-id bits")
    add(.handle, "handle \(handle)")
    return parts.joined(separator: ", ")
  }
}

extension Request.Initialize: CustomStringConvertible {
  /// Version and offer.
  public var description: String {
    "\(major).\(minor), readahead \(Numbers.bytes(maximumReadahead)), \(flags.text(minor: minor))"
  }
}

extension InitFlags {
  /// The words of the flags as a side that named `minor` means them; bits without a word as a number.
  func text(minor: UInt32) -> String {
    var words = Self.history.filter { contains($0.flag) }.map(\.name)
    var rest = Self.history.reduce(self) { $0.subtracting($1.flag) }
    if hasIomap(minor: minor) || hasIOUringBufferPool(minor: minor) {
      words.append(hasIomap(minor: minor) ? "IOMAP" : "HAS_IO_URING_BUFPOOL")
      rest.remove(.iomapOrBufferPool)
    }
    if !rest.isEmpty { words.append(Numbers.hexadecimal(rest.rawValue)) }
    return words.isEmpty ? "no flags" : words.joined(separator: " ")
  }
}

extension FileLock: CustomStringConvertible {
  /// Type and range.
  public var description: String {
    let kind =
      switch type {
      case 0: "read lock"
      case 1: "write lock"
      case 2: "no lock"
      default: "lock of type \(type)"
      }
    return "\(kind) on \(start)...\(end) by process \(processID)"
  }
}

extension FileAttributes: CustomStringConvertible {
  /// What tells most.
  public var description: String {
    "inode \(inode), mode \(Numbers.octal(mode)), \(Numbers.bytes(size)), links \(linkCount), "
      + "user \(userID), group \(groupID)\(Numbers.flags(flags.rawValue))"
  }
}

/// A mapping of iomap in a few words.
enum MappingText {
  static func of(_ mapping: Mapping) -> String {
    let place =
      mapping.kind.hasBlocks
      ? " to \(mapping.address.rawValue) of device \(mapping.device.rawValue)" : ""
    return "\(mapping.kind) \(Numbers.range(mapping.length, at: mapping.offset.rawValue))\(place)"
      + Numbers.flags(mapping.flags.rawValue)
  }
}
