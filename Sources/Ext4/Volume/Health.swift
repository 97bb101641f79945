import Synchronization
import SystemPackage

/// What went wrong with the file system since it was mounted.
final class Health: Sendable {
  private let readOnly = Atomic<Bool>(false)

  /// True once an error has made the file system read-only.
  var isReadOnly: Bool { readOnly.load(ordering: .acquiring) }

  func becomeReadOnly() { readOnly.store(true, ordering: .releasing) }

  private let firstDataError = Mutex<Ext4Error?>(nil)

  /// The first error of writing the data of files. The writers may have got no error, where the data came from the kernel's cache.
  var dataError: Ext4Error? { firstDataError.withLock { $0 } }

  func note(dataError error: Ext4Error) { firstDataError.withLock { $0 = $0 ?? error } }
}
