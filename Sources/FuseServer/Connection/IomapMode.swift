import IomapCache
import Synchronization

/// Whether the kernel moves data, from the wish to the fact.
final class IomapMode: Sendable {
  /// Nil where it is not wanted.
  let operations: (any IomapOperations)?
  private let agreed = Atomic<Bool>(false)
  /// 0 for none, or the number of the revision: read for every answer that holds attributes.
  private let active = Atomic<Int>(0)
  private let refusal = Mutex<IomapRefusal?>(nil)

  init(_ operations: (any IomapOperations)?) {
    self.operations = operations
  }

  var isAgreed: Bool { agreed.load(ordering: .acquiring) }

  @inline(__always)
  var revision: IomapRevision? {
    switch active.load(ordering: .relaxed) {
    case 6: .v6
    case 7: .v7
    default: nil
    }
  }

  var outcome: Result<IomapRevision, IomapRefusal> {
    if let revision { return .success(revision) }
    return .failure(refusal.withLock { $0 } ?? IomapRefusal("it was not asked for"))
  }

  /// What the kernel's first request says.
  func noteOffer(_ isOffered: Bool) {
    guard operations != nil else { return }
    if isOffered {
      agreed.store(true, ordering: .releasing)
    } else {
      refusal.withLock { $0 = IomapRefusal("the kernel does not offer it for this mount") }
    }
  }

  /// The kernel asks for the geometry: by how it asks one knows what it speaks.
  func activate(
    for request: IomapWire.ConfigRequest, _ operations: any IomapOperations,
    _ channel: any KernelChannel
  ) {
    do throws(IomapRefusal) {
      guard let revision = request.revision else {
        throw IomapRefusal("the kernel speaks an unknown revision of it")
      }
      try operations.activate(
        IomapConnection(
          revision: revision, channel: channel,
          notifier: IomapNotifier(channel: channel, protocolMinor: IomapWire.protocolMinor)))
      active.store(revision == .v6 ? 6 : 7, ordering: .releasing)
    } catch {
      refusal.withLock { $0 = error }
    }
  }
}
