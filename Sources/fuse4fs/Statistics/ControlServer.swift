import CFuse3
import FuseServer
import FuseTransport
import Glibc
import SystemPackage

/// The forms in which statistics can be had; a client sends the word.
enum StatisticsForm: String, Sendable, CaseIterable {
  case json, prometheus, table
}

/// Answers at the control socket: on a thread of its own, one client after the other, none for longer than a few seconds.
///
/// A client sends the word of a form and a newline, or ends its side for JSON, and gets all of the answer and the end. Only the daemon's own user and
/// root are answered.
final class ControlServer: Sendable {
  private let listener: CInt
  private let answer: @Sendable (StatisticsForm) -> String

  /// Milliseconds for a client to say what it wants, and to take the answer.
  private static let patience = 1000
  private static let patienceForAnswer = 2000
  /// Bytes.
  private static let longestRequest = 64

  /// `listener` listens and does not block; it stays open until the process ends.
  init(listener: CInt, answer: @escaping @Sendable (StatisticsForm) -> String) {
    self.listener = listener
    self.answer = answer
  }

  /// Starts the thread, which ends with the process. False when the system allows no more threads.
  func start() -> Bool { OwnedThread { self.serve() } != nil }

  private func serve() {
    while true {
      var file = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
      guard poll(&file, 1, -1) >= 0 || errno == EINTR else { return }
      let flags = CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
      let client = cfuse_system_call(Int(SYS_accept4), Int(listener), 0, 0, Int(flags), 0)
      if client >= 0 {
        serve(ControlConnection(CInt(client)))
        continue
      }
      switch errno {
      case EAGAIN, EINTR, ECONNABORTED: continue
      // No descriptor or no memory is left.
      case EMFILE, ENFILE, ENOBUFS, ENOMEM: usleep(500_000)
      default: return
      }
    }
  }

  private func serve(_ client: consuming ControlConnection) {
    guard let peer = client.peer, peer == 0 || peer == geteuid() else { return }
    let newline = UInt8(ascii: "\n")
    let request = try? client.read(
      atMost: Self.longestRequest, until: ControlConnection.deadline(inMilliseconds: Self.patience),
      isWhole: { $0.contains(newline) })
    guard let request else { return }
    let word = String(decoding: request.prefix { $0 != newline }, as: UTF8.self)
    guard let form = word.isEmpty ? .json : StatisticsForm(rawValue: word) else { return }
    // What a client does not take is lost with it.
    try? client.write(
      Array(answer(form).utf8),
      until: ControlConnection.deadline(inMilliseconds: Self.patienceForAnswer))
  }
}

extension MountStatistics {
  func text(as form: StatisticsForm) -> String {
    switch form {
    case .json: json.description + "\n"
    case .prometheus: prometheus
    case .table: table
    }
  }
}
