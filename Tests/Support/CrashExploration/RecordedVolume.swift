import Ext4
import TestSupport

/// A volume together with what should become of it: whatever is done goes into both, and every step is marked in the log.
///
/// Paths lead from the root, without a slash at the front. Like the kernel, it refers to inodes while it uses them.
public final class RecordedVolume {
  public let volume: Volume
  public private(set) var history: History
  /// With the operation that has failed unexpectedly, as if it had succeeded: a crash may show the tree with or without it.
  public private(set) var attempted: History?
  /// The last operation that was acknowledged as being on stable storage.
  public private(set) var synchronized = 0
  /// Whether the file system may be full: then what finds no room has not happened.
  public var mayBeFull = false
  /// Whether other tasks may commit between the steps of an operation.
  var isInterleaved: Bool { root != .root }
  /// What was not done for want of space.
  public private(set) var refusals = 0

  private let recorder: (any ProgressMarks)?
  /// The directory from which paths lead.
  private let root: InodeNumber
  /// Files that a program has open, by their id.
  private var open: [Int: Inode] = [:]

  /// `root`: the kernel refers to it for as long as this is used.
  public init(
    _ volume: Volume, _ history: History, _ recorder: (any ProgressMarks)? = nil,
    root: InodeNumber = .root
  ) {
    self.root = root
    self.volume = volume
    self.history = history
    self.recorder = recorder
  }

  // MARK: Steps

  /// Carries out an operation whose effect is known. False when there was no room for it.
  @discardableResult
  func perform(
    _ name: String, foreseeing change: (inout History, inout ModelTree, Int) -> Void,
    _ action: () throws -> Void
  ) throws -> Bool {
    let next = history.adding(name, change)
    recorder?.mark(.began(operation: next.operationCount))
    do {
      try action()
    } catch let error as Ext4Error where error.errno == .noSpace && mayBeFull {
      refusals += 1
      return false
    } catch {
      attempted = next
      throw error
    }
    finish(next)
    return true
  }

  func begin() -> Int {
    recorder?.mark(.began(operation: history.operationCount + 1))
    return history.operationCount + 1
  }

  func finish(_ next: History) {
    history = next
    recorder?.mark(.finished(operation: next.operationCount))
  }

  func noteRefusal() { refusals += 1 }
  func noteAttempt(_ next: History) { attempted = next }

  /// fsync(2) of anything, and syncfs(2).
  public func synchronize() throws {
    recorder?.willSynchronize()
    try volume.synchronize()
    noteSynchronized()
  }

  private func noteSynchronized() {
    synchronized = history.operationCount
    recorder?.mark(.synchronized(operation: synchronized))
  }

  /// What happens every few seconds.
  public func commitInBackground() throws {
    try volume.commitInBackground()
  }

  /// The blocks of all transactions go home.
  public func checkpoint() throws {
    try volume.checkpoint()
  }

  /// Unmounts.
  public func close() throws {
    closeAllFiles()
    try volume.close()
    noteSynchronized()
  }

  func closeAllFiles() {
    for inode in open.values { forget(inode) }
    open.removeAll()
  }

  // MARK: Inodes

  /// The inode at a path, for `body`; the kernel forgets it afterwards unless a program has it open.
  func withInode<R>(_ path: String, _ body: (Inode) throws -> R) throws -> R {
    var found: [Inode] = []
    defer { for inode in found.reversed() { forget(inode) } }
    var current = try volume.node(root)
    for name in path.split(separator: "/") {
      current = try volume.find(String(name), in: current)
      found.append(current)
    }
    return try body(current)
  }

  /// FORGET has no answer, so that an error is dropped.
  func forget(_ inode: Inode) { _ = try? volume.forget(inode.number, count: 1) }

  /// Opens a file until `closeFile`; it can be used by its id from then on, also without a name.
  public func openFile(_ path: String) throws -> Int {
    guard let id = history.tree.node(at: path) else { throw Failure("there is no /\(path)") }
    guard open[id] == nil else { return id }
    var current = try volume.node(root)
    for name in path.split(separator: "/") {
      let next = try volume.find(String(name), in: current)
      if current.number != root { forget(current) }
      current = next
    }
    open[id] = current
    return id
  }

  public func closeFile(_ id: Int) {
    if let inode = open.removeValue(forKey: id) { forget(inode) }
  }

  func openInode(_ id: Int) throws -> Inode {
    guard let inode = open[id] else { throw Failure("file \(id) is not open") }
    return inode
  }

  /// The inode of a file by its path.
  func withFile<R>(_ path: String, _ body: (Int, Inode) throws -> R) throws -> R {
    guard let id = history.tree.node(at: path) else { throw Failure("there is no /\(path)") }
    if let inode = open[id] { return try body(id, inode) }
    return try withInode(path) { try body(id, $0) }
  }
}
