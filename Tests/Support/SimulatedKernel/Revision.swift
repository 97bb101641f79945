extension SimulatedKernel {
  /// The two posted revisions of the extension (ABI 2.6).
  public enum Revision: Sendable, Hashable, CaseIterable {
    case v6
    case v7
  }
}
