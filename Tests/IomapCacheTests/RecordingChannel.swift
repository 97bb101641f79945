import IomapCache
import Synchronization
import SystemPackage

/// Keeps what it is sent, and answers as it is told.
final class RecordingChannel: IomapNotificationChannel {
  private let sent = Mutex<[[UInt8]]>([])
  private let answer = Mutex<Errno?>(nil)

  /// All notifications so far, whole.
  var messages: [[UInt8]] { sent.withLock { $0 } }

  /// Lets every notification from now on fail, or with nil succeed.
  func fail(with errno: Errno?) {
    answer.withLock { $0 = errno }
  }

  func send(notification: UnsafeRawBufferPointer) throws(Errno) {
    let bytes = Array(notification)
    sent.withLock { $0.append(bytes) }
    if let errno = answer.withLock({ $0 }) { throw errno }
  }
}
