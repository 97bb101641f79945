import CFuse3
import Glibc
import SystemPackage

extension OperationTable {
  static func addData(to table: inout fuse_lowlevel_ops) {
    // Opening is declined: lifetimes follow lookups and forgets. A kernel that cannot do without gets an answer, and one that
    // moves data.
    table.open = { request, node, file in
      if OperationTable.canDecline(.file) {
        fuse_reply_err(request, ENOSYS)
        return
      }
      let operations = Worker.serving.session.operations
      do throws(Errno) {
        try operations.admitOpening(NodeID(node), flags: file?.pointee.flags ?? O_RDONLY)
        try operations.open(NodeID(node))
        file?.pointee.keep_cache = 1
        if Worker.serving.session.iomapRevision == nil { file?.pointee.noflush = 1 }
        OperationTable.replyOpen(request, file)
      } catch {
        fuse_reply_err(request, error.rawValue)
      }
    }
    // Two requests in one, where opening is one at all.
    table.create = { request, parent, name, mode, file in
      guard Worker.serving.session.iomapRevision != nil else {
        fuse_reply_err(request, ENOSYS)
        return
      }
      Answer.call(request) { (operations) throws(Errno) -> Entry in
        defer { OperationTable.noteChange(in: parent) }
        let entry = try operations.makeNode(
          Answer.bytes(name), in: NodeID(parent), mode: mode & 0o7777 | 0o100000, device: 0,
          for: Caller(of: request))
        try operations.open(entry.node)
        return entry
      } reply: { entry in
        Answer.replyCreated(request, entry)
      }
    }
    table.flush = { request, node, _ in
      if Worker.serving.session.iomapRevision == nil {
        fuse_reply_err(request, ENOSYS)
      } else {
        Answer.call(request) { (operations) throws(Errno) in try operations.flush(NodeID(node)) }
      }
    }
    table.release = { request, node, _ in
      Worker.serving.session.operations.release(NodeID(node))
      Worker.serving.session.handles.close()
      fuse_reply_err(request, 0)
    }
    table.read = { request, node, size, offset, _ in
      let buffer = Worker.serving.output(size)
      let flags = Worker.serving.readFlags
      Answer.call(request) { (operations) throws(Errno) in
        try operations.read(
          NodeID(node), into: buffer, at: UInt64(bitPattern: Int64(offset)), flags: flags)
      } reply: { count in
        fuse_reply_buf(
          request, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), count)
      }
    }
    table.write = { request, node, data, size, offset, _ in
      let flags = Worker.serving.writeFlags
      Answer.call(request) { (operations) throws(Errno) in
        try operations.write(
          NodeID(node), UnsafeRawBufferPointer(start: data, count: size),
          at: UInt64(bitPattern: Int64(offset)), flags: flags,
          for: Caller(of: request))
      } reply: { count in
        guard flags.contains(.direct),
          DirectWrites.takeOver(NodeID(node), at: UInt64(bitPattern: Int64(offset)), count: count)
        else {
          fuse_reply_write(request, count)
          return
        }
        // The request is libfuse's to free; the answer comes from elsewhere.
        fuse_reply_none(request)
      }
    }
    table.fsync = { request, node, _, _ in
      Answer.call(request) { (operations) throws(Errno) in
        try operations.synchronize()
        try operations.finishSynchronization(of: NodeID(node))
      }
    }
    table.lseek = { request, node, _, _, _ in
      // With one thread there is no other to receive the writes that must come first; the kernel then treats all of the file as
      // data, which is always true enough.
      fuse_reply_err(request, ENOSYS)
    }
    table.bmap = { request, node, size, index in
      // Without a thread to receive what the kernel has cached.
      Answer.call(request) { (operations) throws(Errno) in
        try operations.deviceBlock(
          of: NodeID(node), at: index, size: UInt32(truncatingIfNeeded: size))
      } reply: { block in
        fuse_reply_bmap(request, block)
      }
    }
    table.fallocate = { request, node, mode, offset, length, _ in
      Answer.call(request) { (operations) throws(Errno) in
        try operations.allocate(
          NodeID(node), at: UInt64(bitPattern: Int64(offset)),
          length: UInt64(bitPattern: Int64(length)), mode: mode, for: Caller(of: request))
      }
    }
    table.copy_file_range = { request, source, from, _, target, to, _, length, flags in
      Answer.call(request) { (operations) throws(Errno) in
        guard flags == 0 else { throw .invalidArgument }
        return try operations.copyRange(
          from: NodeID(source), at: UInt64(bitPattern: Int64(from)), to: NodeID(target),
          at: UInt64(bitPattern: Int64(to)), length: length,
          for: Caller(of: request))
      } reply: { count in
        fuse_reply_write(request, count)
      }
    }
  }

  /// The kernel will say when it has closed the file or directory.
  static func replyOpen(_ request: fuse_req_t?, _ file: UnsafeMutablePointer<fuse_file_info>?) {
    let handles = Worker.serving.session.handles
    handles.open()
    // The caller does not wait for the answer any more: no release will come.
    if fuse_reply_open(request, file) == -ENOENT { handles.close() }
  }
}
