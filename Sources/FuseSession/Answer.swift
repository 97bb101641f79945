import CFuse3
import Glibc
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
    call(request, body) { entry in
      var parameters = entry.parameters
      fuse_reply_entry(request, &parameters)
    }
  }

  static func attributes(
    _ request: fuse_req_t?, _ body: (any FileSystemOperations) throws(Errno) -> Attributes
  ) {
    call(request, body) { attributes in
      var stat = attributes.stat
      fuse_reply_attr(request, &stat, attributes.validity)
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
