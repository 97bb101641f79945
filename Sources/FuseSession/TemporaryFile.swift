import Glibc
import SystemPackage

/// FUSE_TMPFILE, which the installed libfuse may not know: open(2) with O_TMPFILE.
enum TemporaryFile {
  static func serve(_ worker: Worker) {
    // struct fuse_create_in: flags, mode, umask, open_flags, all u32.
    let payload = worker.payload
    guard payload.count >= 16 else { return worker.reply(.invalidArgument) }
    let mode = payload.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
    let umask = payload.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
    let session = worker.session
    do throws(Errno) {
      let entry = try session.operations.makeTemporaryFile(
        in: worker.header.node, mode: mode & 0o7777 | 0o100000,
        for: Caller(of: worker.header, umask: umask))
      withUnsafeTemporaryAllocation(byteCount: Answer.createdSize, alignment: 8) { bytes in
        Answer.encodeCreated(entry, into: bytes, revision: session.iomapRevision)
        // Where opening is declined, the kernel does not say either when it has closed a file.
        let isCounted = !OperationTable.canDecline(.file)
        if isCounted { session.handles.open() }
        if !worker.reply(UnsafeRawBufferPointer(bytes)), isCounted { session.handles.close() }
      }
    } catch {
      worker.reply(error)
    }
  }
}
