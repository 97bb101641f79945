/// The type of a file, as the mode and as a directory entry say it.
public enum FileType: UInt8, Sendable {
  case regular = 1
  case directory = 2
  case characterDevice = 3
  case blockDevice = 4
  case fifo = 5
  case socket = 6
  case symbolicLink = 7

  /// Nil when the mode names no type.
  public init?(mode: UInt16) {
    switch mode & 0o170000 {
    case 0o100000: self = .regular
    case 0o040000: self = .directory
    case 0o020000: self = .characterDevice
    case 0o060000: self = .blockDevice
    case 0o010000: self = .fifo
    case 0o140000: self = .socket
    case 0o120000: self = .symbolicLink
    default: return nil
    }
  }

  /// The type bits of `st_mode`.
  public var modeBits: UInt16 {
    switch self {
    case .regular: 0o100000
    case .directory: 0o040000
    case .characterDevice: 0o020000
    case .blockDevice: 0o060000
    case .fifo: 0o010000
    case .socket: 0o140000
    case .symbolicLink: 0o120000
    }
  }
}
