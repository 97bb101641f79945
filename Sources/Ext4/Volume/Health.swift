import Synchronization
import SystemPackage

/// What went wrong with the file system since it was mounted.
final class Health: Sendable {
  private let readOnly = Atomic<Bool>(false)

  /// True once an error has made the file system read-only.
  var isReadOnly: Bool { readOnly.load(ordering: .acquiring) }

  func becomeReadOnly() { readOnly.store(true, ordering: .releasing) }
}
