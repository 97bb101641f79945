import Glibc

/// A descriptor of /dev/fuse on which requests are read. The reply to a request must go out where the request came in (fs/fuse/dev.c keeps what
/// awaits a reply by descriptor), so all who owe a reply hold on to this.
public final class KernelDescriptor: Sendable {
  public let number: CInt
  private let isOwned: Bool

  /// `isOwned`: it is closed with this object.
  public init(_ number: CInt, isOwned: Bool) {
    self.number = number
    self.isOwned = isOwned
  }

  deinit { if isOwned { close(number) } }

  /// Reads fail with EAGAIN from now on where they would have to wait.
  func setNonblocking() {
    _ = fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK)
  }
}
