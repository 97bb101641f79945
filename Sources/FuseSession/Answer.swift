import CFuse3
import FuseProtocol
import Glibc
import IomapCache
import SystemPackage

/// From what an operation returns or throws to what libfuse sends.
enum Answer {
  /// Runs `body` and answers with its errno, or 0 when there is nothing else to say.
  @inline(__always)
  static func call(
    _ request: fuse_req_t?, _ body: (any FileSystemOperations) throws(Errno) -> Void
  ) {
    do throws(Errno) {
      try body(Worker.serving.session.operations)
      fuse_reply_err(request, 0)
    } catch {
      fuse_reply_err(request, error.rawValue)
    }
  }

  /// Runs `body` and answers with what it returns by `reply`, or with its errno.
  @inline(__always)
  static func call<T>(
    _ request: fuse_req_t?, _ body: (any FileSystemOperations) throws(Errno) -> T,
    reply: (T) -> Void
  ) {
    do throws(Errno) {
      reply(try body(Worker.serving.session.operations))
    } catch {
      fuse_reply_err(request, error.rawValue)
    }
  }

  static func entry(
    _ request: fuse_req_t?, _ body: (any FileSystemOperations) throws(Errno) -> Entry
  ) {
    call(request, body) { reply(request, $0) }
  }

  static func reply(_ request: fuse_req_t?, _ entry: Entry) {
    let revision = Worker.serving.session.iomapRevision
    encoded(request, entry.encoded(for: revision))
  }

  /// The answer to FUSE_CREATE.
  static func replyCreated(_ request: fuse_req_t?, _ entry: Entry) {
    let revision = Worker.serving.session.iomapRevision
    let handles = Worker.serving.session.handles
    handles.open()
    if encoded(request, created(entry, revision)) == -ENOENT { handles.close() }
  }

  static func created(_ entry: Entry, _ revision: IomapRevision?) -> Reply.Create {
    Reply.Create(
      entry: entry.encoded(for: revision), open: Reply.Open(handle: 0, flags: .keepCache))
  }

  static func attributes(
    _ request: fuse_req_t?, _ body: (any FileSystemOperations) throws(Errno) -> Attributes
  ) {
    call(request, body) { attributes in
      let revision = Worker.serving.session.iomapRevision
      encoded(
        request,
        Reply.Attributes(
          timeout: attributes.timeout, attributes: attributes.encoded(for: revision)))
    }
  }

  @discardableResult
  @inline(__always)
  private static func encoded<R: ReplyArguments>(_ request: fuse_req_t?, _ reply: R) -> CInt {
    let minor = NegotiatedProtocol.latestMinor
    return withUnsafeTemporaryAllocation(byteCount: R.size(at: minor), alignment: 8) { bytes in
      reply.encode(into: bytes, at: minor)
      return fuse_reply_buf(
        request, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
    }
  }

  /// A value of variable size: its length when that is all that was asked for, ERANGE when it does not fit.
  static func sized(_ request: fuse_req_t?, _ value: [UInt8], capacity: Int) {
    if capacity == 0 {
      fuse_reply_xattr(request, value.count)
    } else if value.count > capacity {
      fuse_reply_err(request, ERANGE)
    } else {
      _ = value.withUnsafeBytes {
        fuse_reply_buf(request, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count)
      }
    }
  }

  static func bytes(_ string: UnsafePointer<CChar>?) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: string, count: string.map { strlen($0) } ?? 0)
  }
}
