import IomapCache

extension Reply {
  /// The payload of a reply without an error in a few words; data by its size. `opcode` is that of the request. A payload that is not as the
  /// protocol has it is shown by its size.
  public static func text(
    _ payload: UnsafeRawBufferPointer, to opcode: Opcode, _ negotiated: NegotiatedProtocol
  ) -> String {
    let minor = negotiated.minor
    let text: String? =
      switch opcode {
      case .lookup, .symlink, .mknod, .mkdir, .link:
        Entry(payload, at: minor).map(\.description)
      case .getattr, .setattr:
        Attributes(payload, at: minor).map(\.attributes.description)
      case .statx: Statx(payload, at: minor).map(\.status.description)
      case .create, .tmpfile:
        Create(payload, at: minor).map { "\($0.entry); \($0.open)" }
      case .open, .opendir: Open(payload, at: minor).map(\.description)
      case .write, .copyFileRange: Write(payload, at: minor).map { Numbers.bytes($0.count) }
      case .copyFileRange64:
        CopyFileRange(payload, at: minor).map { Numbers.bytes($0.count) }
      case .statfs: Statistics(payload, at: minor).map(\.description)
      case .getlk: Lock(payload, at: minor).map(\.lock.description)
      case .bmap: Block(payload, at: minor).map { "block \($0.block)" }
      case .lseek: Seek(payload, at: minor).map { "\($0.offset)" }
      case .poll: Poll(payload, at: minor).map { "events \(Numbers.hexadecimal($0.events))" }
      case .ioctl: control(payload, minor)
      case .initialize: initialize(payload)
      case .readlink: EscapedText.of(payload)
      case .readdir: listing(payload, isPlus: false, minor)
      case .readdirplus: listing(payload, isPlus: true, minor)
      case .iomapBegin:
        IomapWire.BeginReply(payload).map {
          "read \(MappingText.of($0.mappings.read)); write \(MappingText.of($0.mappings.write))"
        }
      case .iomapIOEnd:
        IomapWire.IOEndReply(payload, negotiated.iomapRevision ?? .v7).map { "size \($0.newSize)" }
      default: nil
      }
    return text ?? (payload.isEmpty ? "done" : Numbers.bytes(payload.count))
  }

  private static func control(_ payload: UnsafeRawBufferPointer, _ minor: UInt32) -> String? {
    let size = Control.size(at: minor)
    guard payload.count >= size,
      let control = Control(UnsafeRawBufferPointer(rebasing: payload[..<size]), at: minor)
    else { return nil }
    return control.flags.contains(.retry)
      ? "again, with \(control.inputVectors) and \(control.outputVectors) vectors"
      : "\(control.result), \(Numbers.bytes(payload.count - size))"
  }

  private static func initialize(_ payload: UnsafeRawBufferPointer) -> String? {
    for minor: UInt32 in [NegotiatedProtocol.latestMinor, 22, 4] {
      if let reply = Initialize(payload, at: minor) { return reply.description }
    }
    return nil
  }

  private static func listing(
    _ payload: UnsafeRawBufferPointer, isPlus: Bool, _ minor: UInt32
  ) -> String {
    var count = 0
    for _ in DirectoryEntries(payload, isPlus: isPlus, at: minor) { count += 1 }
    return "\(count == 1 ? "1 entry" : "\(count) entries"), \(Numbers.bytes(payload.count))"
  }
}

extension Reply.Entry: CustomStringConvertible {
  public var description: String {
    nodeID == 0 ? "no such name" : "node \(nodeID), generation \(generation), \(attributes)"
  }
}

extension Reply.Open: CustomStringConvertible {
  public var description: String { "handle \(handle)\(Numbers.flags(flags.rawValue))" }
}

extension Reply.Statistics: CustomStringConvertible {
  public var description: String {
    "\(freeBlocks) of \(blocks) blocks of \(Numbers.bytes(fragmentSize)) and "
      + "\(freeFiles) of \(files) files free"
  }
}

extension Reply.Initialize: CustomStringConvertible {
  public var description: String {
    "\(major).\(minor), readahead \(Numbers.bytes(maximumReadahead)), "
      + "writes of \(Numbers.bytes(maximumWrite)), \(flags.text(minor: minor))"
  }
}

extension FileStatus: CustomStringConvertible {
  public var description: String {
    "inode \(inode), mode \(Numbers.octal(mode)), \(Numbers.bytes(byteCount)), links \(linkCount), "
      + "user \(userID), group \(groupID), mask \(Numbers.hexadecimal(mask))"
  }
}
