import CFuse3
import Glibc
import SystemPackage

extension OperationTable {
  static func addData(to table: inout fuse_lowlevel_ops) {
    // Opening is declined: lifetimes follow lookups and forgets. A kernel that cannot do without gets an answer.
    table.open = { request, _, file in
      if OperationTable.canDecline(.file) {
        fuse_reply_err(request, ENOSYS)
      } else {
        file?.pointee.keep_cache = 1
        fuse_reply_open(request, file)
      }
    }
    table.read = { request, node, size, offset, _ in
      let buffer = UnsafeMutableRawBufferPointer(
        rebasing: Worker.serving.output[..<min(size, Worker.serving.output.count)])
      Answer.call(request) { (operations) throws(Errno) in
        try operations.read(NodeID(node), into: buffer, at: UInt64(bitPattern: Int64(offset)))
      } reply: { count in
        fuse_reply_buf(
          request, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), count)
      }
    }
    table.write = { request, node, data, size, offset, _ in
      // struct fuse_write_in: write_flags at byte 20.
      let flags =
        Worker.serving.payload.count >= 24
        ? WriteFlags(
          rawValue: Worker.serving.payload.loadUnaligned(fromByteOffset: 20, as: UInt32.self))
        : []
      Answer.call(request) { (operations) throws(Errno) in
        try operations.write(
          NodeID(node), UnsafeRawBufferPointer(start: data, count: size),
          at: UInt64(bitPattern: Int64(offset)), flags: flags,
          for: Caller(of: request))
      } reply: { count in
        fuse_reply_write(request, count)
      }
    }
    table.fsync = { request, node, dataOnly, _ in
      Answer.call(request) { (operations) throws(Errno) in
        try operations.synchronize(NodeID(node), dataOnly: dataOnly != 0)
      }
    }
    table.lseek = { request, node, _, _, _ in
      // With one thread nobody is there to receive the writes that must come first; the kernel then treats all of the file as
      // data, which is always true enough.
      fuse_reply_err(request, ENOSYS)
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
}
