import CFuse3
import Glibc
import SystemPackage

extension OperationTable {
  static func addNames(to table: inout fuse_lowlevel_ops) {
    table.lookup = { request, parent, name in
      let session = Worker.serving.session
      session.listingHabits.noteLookup(by: Worker.serving.header.thread, in: NodeID(parent))
      do throws(Errno) {
        Answer.reply(
          request, try session.operations.lookup(Answer.bytes(name), in: NodeID(parent)))
      } catch .noSuchFileOrDirectory {
        // An entry without a node is one that the kernel may remember as missing.
        var missing = fuse_entry_param()
        missing.entry_timeout = Validity.unlimited
        fuse_reply_entry(request, &missing)
      } catch {
        fuse_reply_err(request, error.rawValue)
      }
    }
    table.forget = { request, node, count in
      Worker.serving.session.operations.forget(NodeID(node), count: count)
      fuse_reply_none(request)
    }
    table.forget_multi = { request, count, forgets in
      for index in 0..<count {
        guard let forget = forgets?[index] else { break }
        Worker.serving.session.operations.forget(NodeID(forget.ino), count: forget.nlookup)
      }
      fuse_reply_none(request)
    }
    table.mknod = { request, parent, name, mode, device in
      Answer.entry(request) { (operations) throws(Errno) in
        defer { OperationTable.noteChange(in: parent) }
        return try operations.makeNode(
          Answer.bytes(name), in: NodeID(parent), mode: mode,
          device: UInt32(truncatingIfNeeded: device),
          for: Caller(of: request))
      }
    }
    table.mkdir = { request, parent, name, mode in
      Answer.entry(request) { (operations) throws(Errno) in
        defer { OperationTable.noteChange(in: parent) }
        return try operations.makeDirectory(
          Answer.bytes(name), in: NodeID(parent), mode: mode, for: Caller(of: request))
      }
    }
    table.symlink = { request, target, parent, name in
      Answer.entry(request) { (operations) throws(Errno) in
        defer { OperationTable.noteChange(in: parent) }
        return try operations.makeSymbolicLink(
          Answer.bytes(name), in: NodeID(parent), to: Answer.bytes(target),
          for: Caller(of: request))
      }
    }
    table.readlink = { request, node in
      Answer.call(request) { (operations) throws(Errno) in
        try operations.readLink(NodeID(node))
      } reply: { target in
        (target + [0]).withUnsafeBytes { bytes in
          _ = fuse_reply_readlink(request, bytes.baseAddress?.assumingMemoryBound(to: CChar.self))
        }
      }
    }
    table.link = { request, node, parent, name in
      Answer.entry(request) { (operations) throws(Errno) in
        defer { OperationTable.noteChange(in: parent) }
        return try operations.link(NodeID(node), as: Answer.bytes(name), in: NodeID(parent))
      }
    }
    table.unlink = { request, parent, name in
      Answer.call(request) { (operations) throws(Errno) in
        defer { OperationTable.noteChange(in: parent) }
        try operations.unlink(Answer.bytes(name), in: NodeID(parent))
      }
    }
    table.rmdir = { request, parent, name in
      Answer.call(request) { (operations) throws(Errno) in
        defer { OperationTable.noteChange(in: parent) }
        try operations.removeDirectory(Answer.bytes(name), in: NodeID(parent))
      }
    }
    table.rename = { request, parent, name, newParent, newName, flags in
      Answer.call(request) { (operations) throws(Errno) in
        defer {
          OperationTable.noteChange(in: parent)
          OperationTable.noteChange(in: newParent)
        }
        try operations.rename(
          Answer.bytes(name), in: NodeID(parent), to: Answer.bytes(newName), in: NodeID(newParent),
          flags: flags,
          for: Caller(of: request))
      }
    }
  }

  /// To be called before the answer.
  static func noteChange(in directory: fuse_ino_t) {
    Worker.serving.session.listingFreshness.noteChange(in: NodeID(directory))
  }
}
