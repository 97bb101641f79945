import IomapCache
import SystemPackage

/// A file system that lets the kernel move the data of its files, as a session calls it. Calls come as those of
/// `FileSystemOperations` do, several at once for the same node.
public protocol IomapOperations: AnyObject, Sendable {
  /// The kernel moves data from now on, if this returns without an error: registers the devices that hold it. Whatever is thrown
  /// leaves everything to the daemon, and its text tells people why. Called once, before any other request.
  func activate(_ kernel: IomapConnection) throws(IomapRefusal)
  /// What the kernel must know of the file system, whether `activate` succeeded or not.
  func configuration(answering request: IomapWire.ConfigRequest) -> IomapWire.ConfigReply
  /// Where the data of a range lies (fuse-iomap ABI 4.3).
  func begin(_ node: NodeID, _ request: IomapWire.BeginRequest) throws(Errno) -> MappingPair
  /// What came of a step of a write (4.4). For kernels that do not tell it by `complete`.
  func end(_ node: NodeID, _ request: IomapWire.EndRequest) throws(Errno)
  /// Data was written (4.5). Returns the size that the file has on disk now, in bytes.
  func complete(_ node: NodeID, _ request: IomapWire.IOEndRequest) throws(Errno) -> UInt64
  /// Nothing may change on disk until `thaw` (4.6). `unlinked`: files without names that are in use.
  func freeze(unlinked: UInt64) throws(Errno)
  func thaw() throws(Errno)
  /// Nothing may be written any more (4.6).
  func shutDown()
}

/// Why the kernel does not move the data, as the end of a sentence for people.
public struct IomapRefusal: Error, Sendable {
  public let reason: String
  public init(_ reason: String) { self.reason = reason }
}

/// What a file system needs of the kernel that moves its data.
public struct IomapConnection: Sendable {
  public let revision: IomapRevision
  public let channel: any KernelChannel
  public let notifier: IomapNotifier
}
