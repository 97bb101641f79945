import CFuse3
import Glibc
import SystemPackage

extension OperationTable {
  static func addDirectories(to table: inout fuse_lowlevel_ops) {
    table.opendir = { request, _, file in
      if OperationTable.canDecline(.directory) {
        fuse_reply_err(request, ENOSYS)
      } else {
        file?.pointee.cache_readdir = 1
        file?.pointee.keep_cache = 1
        OperationTable.replyOpen(request, file)
      }
    }
    table.releasedir = { request, _, _ in
      Worker.serving.session.handles.close()
      fuse_reply_err(request, 0)
    }
    table.readdir = { request, node, size, offset, _ in
      OperationTable.readDirectory(request, node, size, offset, isPlus: false)
    }
    table.readdirplus = { request, node, size, offset, _ in
      OperationTable.readDirectory(request, node, size, offset, isPlus: true)
    }
    table.fsyncdir = { request, node, _, _ in
      Answer.call(request) { (operations) throws(Errno) in
        try operations.synchronize()
        try operations.finishSynchronization(of: NodeID(node))
      }
    }
  }

  private static func readDirectory(
    _ request: fuse_req_t?, _ node: fuse_ino_t, _ size: Int, _ offset: off_t, isPlus: Bool
  ) {
    let session = Worker.serving.session
    let thread = Worker.serving.header.thread
    let offset = UInt64(bitPattern: Int64(offset))
    session.listingFreshness.noteRequest(by: thread, in: NodeID(node))
    if !isPlus { session.listingHabits.noteNamesWanted(by: thread, in: NodeID(node)) }
    let memory = Worker.serving.output(size)
    var buffer = DirectoryBuffer(
      memory: memory, isPlus: isPlus,
      givesAttributes: isPlus
        && session.listingHabits.givesAttributes(to: thread, in: NodeID(node), from: offset),
      revision: session.iomapRevision)
    do throws(Errno) {
      try session.operations.readDirectory(NodeID(node), from: offset, into: &buffer)
      if buffer.count == 0, session.listingFreshness.noteEnd(by: thread, in: NodeID(node)) {
        session.channel.forgetListing(of: NodeID(node))
      }
      fuse_reply_buf(
        request, memory.baseAddress?.assumingMemoryBound(to: CChar.self), buffer.count)
    } catch {
      fuse_reply_err(request, error.rawValue)
    }
  }
}
