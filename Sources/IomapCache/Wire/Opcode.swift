extension IomapWire {
  /// Requests of the extension (fuse-iomap ABI 3.1).
  public enum Opcode: UInt32, Hashable, Sendable, CaseIterable {
    case freeze = 4089
    case unfreeze = 4090
    case shutdown = 4091
    case config = 4092
    case ioEnd = 4093
    case begin = 4094
    case end = 4095

    /// The size of the request's payload, in bytes.
    public func requestSize(for revision: IomapRevision) -> Int {
      switch self {
      case .freeze: FreezeRequest.size
      case .unfreeze: 0
      case .shutdown: ShutdownRequest.size
      case .config: ConfigRequest.size
      case .ioEnd: revision.ioEndRequestSize
      case .begin: BeginRequest.size
      case .end: EndRequest.size
      }
    }
  }
}
