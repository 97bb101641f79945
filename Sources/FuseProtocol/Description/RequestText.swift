import IomapCache

extension Request: CustomStringConvertible {
  /// The arguments in one line: names escaped, data by its size. Empty where there are none.
  public var description: String {
    switch self {
    case .lookup(let lookup): EscapedText.of(lookup.name)
    case .forget(let forget): "\(forget.lookups) times"
    case .batchForget(let batch):
      batch.map { "node \($0.nodeID) \($0.lookups) times" }.prefix(8).joined(separator: ", ")
        + (batch.count > 8 ? " and \(batch.count - 8) more" : "")
    case .getattr(let getattr): Self.handle(getattr.handle)
    case .setattr(let setattr): setattr.description
    case .statx(let statx):
      "mask \(Numbers.hexadecimal(statx.mask))\(Numbers.flags(statx.flags))"
        + (statx.handle.map { ", handle \($0)" } ?? "")
    case .readlink, .statfs, .destroy, .syncFileSystem, .unfreeze: ""
    case .symlink(let link): "\(EscapedText.of(link.name)) to \(EscapedText.of(link.target))"
    case .mknod(let node):
      "\(EscapedText.of(node.name)), mode \(Numbers.octal(node.mode)), umask \(Numbers.octal(node.umask))"
        + (node.device == 0 ? "" : ", device \(Numbers.hexadecimal(node.device))")
    case .mkdir(let directory):
      "\(EscapedText.of(directory.name)), mode \(Numbers.octal(directory.mode)), umask \(Numbers.octal(directory.umask))"
    case .unlink(let unlink), .rmdir(let unlink): EscapedText.of(unlink.name)
    case .rename(let rename), .rename2(let rename):
      "\(EscapedText.of(rename.name)) to \(EscapedText.of(rename.newName)) in node \(rename.newParent)"
        + Numbers.flags(rename.flags)
    case .link(let link): "node \(link.nodeID) as \(EscapedText.of(link.name))"
    case .create(let create), .tmpfile(let create):
      "\(EscapedText.of(create.name)), mode \(Numbers.octal(create.mode)), umask \(Numbers.octal(create.umask))"
        + Numbers.flags(create.flags)
    case .setxattr(let attribute):
      "\(EscapedText.of(attribute.name)), \(Numbers.bytes(attribute.value.count))\(Numbers.flags(attribute.flags))"
    case .getxattr(let attribute):
      "\(EscapedText.of(attribute.name)), \(Self.atMost(attribute.size))"
    case .listxattr(let list): Self.atMost(list.size)
    case .removexattr(let attribute): EscapedText.of(attribute.name)
    case .initialize(let initialize): initialize.description
    case .interrupt(let interrupt): "#\(interrupt.unique)"
    default: ioDescription
    }
  }

  /// What is about open files and their data.
  private var ioDescription: String {
    switch self {
    case .open(let open), .opendir(let open): "flags \(Numbers.hexadecimal(open.flags))"
    case .read(let read):
      Numbers.range(read.size, at: read.offset) + Numbers.flags(read.readFlags.rawValue)
    case .readdir(let read), .readdirplus(let read):
      "from \(read.offset), \(Self.atMost(read.size))"
    case .write(let write):
      Numbers.range(write.data.count, at: write.offset) + Numbers.flags(write.writeFlags.rawValue)
    case .release(let release), .releasedir(let release): "handle \(release.handle)"
    case .fsync(let fsync), .fsyncDirectory(let fsync):
      fsync.flags.contains(.dataOnly) ? "data" : "data and metadata"
    case .flush(let flush): "handle \(flush.handle)"
    case .getlk(let lock), .setlk(let lock), .setlkw(let lock):
      "\(lock.lock), owner \(Numbers.hexadecimal(lock.owner))\(Numbers.flags(lock.flags.rawValue))"
    case .access(let access): "mask \(access.mask)"
    case .bmap(let map): "block \(map.block) of \(Numbers.bytes(map.blockSize))"
    case .ioctl(let control):
      "\(Numbers.hexadecimal(control.command)), \(Numbers.bytes(control.input.count)) in, "
        + "\(Self.atMost(control.outputSize)) out\(Numbers.flags(control.flags.rawValue))"
    case .poll(let poll): "events \(Numbers.hexadecimal(poll.events))"
    case .notifyReply(let retrieved): Numbers.range(retrieved.data.count, at: retrieved.offset)
    case .fallocate(let allocate):
      "\(Numbers.range(allocate.length, at: allocate.offset)), mode \(Numbers.hexadecimal(allocate.mode))"
    case .lseek(let seek): "from \(seek.offset), whence \(seek.whence)"
    case .copyFileRange(let copy), .copyFileRange64(let copy):
      "\(Numbers.range(copy.length, at: copy.offset)) to node \(copy.targetNodeID) at \(copy.targetOffset)"
    case .setupmapping(let mapping):
      "\(Numbers.range(mapping.length, at: mapping.fileOffset)) to \(mapping.memoryOffset)"
        + Numbers.flags(mapping.flags.rawValue)
    case .removemapping(let mappings):
      mappings.map { Numbers.range($0.length, at: $0.memoryOffset) }.prefix(8)
        .joined(separator: ", ") + (mappings.count > 8 ? " and \(mappings.count - 8) more" : "")
    default: iomapDescription
    }
  }

  private var iomapDescription: String {
    switch self {
    case .freeze(let freeze): "\(freeze.unlinked) open without a name"
    case .shutdown(let shutdown): "flags \(Numbers.hexadecimal(shutdown.flags))"
    case .iomapConfig(let config):
      "flags \(Numbers.hexadecimal(config.flags.rawValue)), files of at most \(Numbers.bytes(config.maximumBytes))"
    case .iomapBegin(let begin):
      "\(Numbers.range(begin.count, at: begin.position)), operation \(Numbers.hexadecimal(begin.operation.rawValue))"
    case .iomapEnd(let end):
      "\(Numbers.range(end.count, at: end.position)), \(end.written) done, "
        + "operation \(Numbers.hexadecimal(end.operation.rawValue)), \(MappingText.of(end.mapping))"
    case .iomapIOEnd(let end):
      Numbers.range(end.written, at: end.position) + Numbers.flags(end.flags.rawValue)
        + (end.error == 0 ? "" : ", error \(-Int(end.error))")
    default: ""
    }
  }

  private static func handle(_ handle: UInt64?) -> String { handle.map { "handle \($0)" } ?? "" }

  private static func atMost(_ size: UInt32) -> String {
    size == 0 ? "size only" : "at most \(Numbers.bytes(size))"
  }
}

extension RequestMessage: CustomStringConvertible {
  /// The request in one line: its number, operation, node, arguments and caller.
  public var description: String {
    let arguments = request.description
    var text = "#\(header.unique & ~(1 << 63)) \(header.opcode?.name ?? "\(header.rawOpcode)")"
    if header.isResent { text += " again" }
    if header.nodeID != 0 { text += " node \(header.nodeID)" }
    if !arguments.isEmpty { text += " \(arguments)" }
    return text + extensions.description
      + " (user \(header.userID), group \(header.groupID), thread \(header.processID))"
  }
}

extension RequestExtensions: CustomStringConvertible {
  /// What is to be added to a line about the request; empty where there is nothing.
  public var description: String {
    var text = ""
    for context in securityContexts.map(Array.init) ?? [] {
      text += ", \(EscapedText.of(context.name)) of \(Numbers.bytes(context.value.count))"
    }
    if let groups = supplementaryGroups {
      text += ", in groups \(groups.prefix(8).map(String.init).joined(separator: " "))"
    }
    return text
  }
}
