import FuseProtocol
import Glibc
import SystemPackage

/// FUSE_TMPFILE, which the installed libfuse may not know: open(2) with O_TMPFILE.
enum TemporaryFile {
  static func serve(_ worker: Worker) {
    guard let request = try? Request.Create(worker.payload, of: .tmpfile, .layout) else {
      return worker.reply(.invalidArgument)
    }
    let session = worker.session
    do throws(Errno) {
      let entry = try session.operations.makeTemporaryFile(
        in: worker.header.node, mode: request.mode & 0o7777 | 0o100000,
        for: Caller(of: worker.header, umask: request.umask))
      // Where opening is declined, the kernel does not say either when it has closed a file.
      let isCounted = !OperationTable.canDecline(.file)
      if isCounted { session.handles.open() }
      let isSent = worker.reply(with: Answer.created(entry, session.iomapRevision))
      if !isSent, isCounted { session.handles.close() }
    } catch {
      worker.reply(error)
    }
  }
}
