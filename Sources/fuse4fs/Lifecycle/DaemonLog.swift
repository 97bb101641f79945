import CFuse3
import Glibc
import Logging

/// Where the daemon's log goes: standard error in the foreground, syslog(3) in the background.
struct DaemonLog: LogHandler {
  enum Destination: Sendable {
    case standardError
    case systemLog
  }

  let destination: Destination
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?

  /// Sends what every `Logger` of the process says to one destination. To be called once.
  static func bootstrap(foreground: Bool, debug: Bool) {
    let destination: Destination = foreground ? .standardError : .systemLog
    let level: Logger.Level = debug ? .debug : .info
    if destination == .systemLog { cfuse_open_syslog() }
    LoggingSystem.bootstrap { _ in
      DaemonLog(destination: destination, logLevel: level)
    }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var facts = metadata
    facts.merge(metadataProvider?.get() ?? [:]) { $1 }
    facts.merge(event.metadata ?? [:]) { $1 }
    var text = "\(event.message)"
    if let error = event.error { text += ": \(error)" }
    if !facts.isEmpty {
      let list = facts.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      text += " (\(list.joined(separator: ", ")))"
    }
    switch destination {
    case .standardError:
      Console.log("\(event.level): \(text)")
    case .systemLog:
      cfuse_syslog(event.level.syslogPriority, text)
    }
  }
}

extension Logger.Level {
  fileprivate var syslogPriority: Int32 {
    switch self {
    case .trace, .debug: LOG_DEBUG
    case .info: LOG_INFO
    case .notice: LOG_NOTICE
    case .warning: LOG_WARNING
    case .error: LOG_ERR
    case .critical: LOG_CRIT
    }
  }
}
