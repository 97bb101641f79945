import CExt2FS
import Journal

/// The inodes that have lost their last name but are still in use.
///
/// On disk they are a singly linked list: the superblock names the first, the deletion time of each the next
/// (fs/ext4/orphan.c). In memory it is linked both ways, so that taking one out costs the same wherever it stands.
struct OrphanList {
  private struct Links {
    var previous: InodeNumber?
    var next: InodeNumber?
  }

  private var links: [InodeNumber: Links] = [:]
  private(set) var first: InodeNumber?

  var count: Int { links.count }
  var all: [InodeNumber] { Array(links.keys) }
  func contains(_ inode: InodeNumber) -> Bool { links[inode] != nil }

  /// The inode whose link on disk leads to `inode`; nil for the first.
  func previous(of inode: InodeNumber) -> InodeNumber? { links[inode]?.previous }

  /// Puts `inode` at the front; the inode that stood there before is its next.
  mutating func insert(_ inode: InodeNumber) -> InodeNumber? {
    let next = first
    links[inode] = Links(previous: nil, next: next)
    if let next { links[next]?.previous = inode }
    first = inode
    return next
  }

  /// Takes `inode` out; returns its neighbours, whose links on disk the caller adjusts.
  mutating func remove(_ inode: InodeNumber) -> (previous: InodeNumber?, next: InodeNumber?)? {
    guard let own = links.removeValue(forKey: inode) else { return nil }
    if let previous = own.previous { links[previous]?.next = own.next } else { first = own.next }
    if let next = own.next { links[next]?.previous = own.previous }
    return (own.previous, own.next)
  }
}

extension Volume {
  /// Whether files without names still hold space.
  public var hasOrphans: Bool { metadata.withLock { orphans.count > 0 } }
}

// Metadata lock held, for all of this.
extension Volume {
  /// Puts an inode on the list, so that what is begun is finished after a crash: the deletion of one without names, the truncation of
  /// one that has some. The inode is stored.
  func addOrphan(_ inode: Inode) throws(Ext4Error) {
    guard !orphans.contains(inode.number) else { return try inode.store() }
    try inode.requireStorable()
    inode.deletionTime = orphans.insert(inode.number)?.rawValue ?? 0
    try inode.store()
    superblock.setLastOrphan(inode.number)
    superblock.markDirty()
  }

  /// Takes an inode off the list. The caller stores it.
  func removeOrphan(_ inode: Inode) throws(Ext4Error) {
    if let previous = orphans.previous(of: inode.number) {
      try self.inode(previous).requireStorable()
    }
    guard let (previous, next) = orphans.remove(inode.number) else { return }
    inode.deletionTime = 0
    if let previous {
      let before = try self.inode(previous)
      before.deletionTime = next?.rawValue ?? 0
      try before.store()
    } else {
      superblock.setLastOrphan(next)
      superblock.markDirty()
    }
  }
}

extension Inode {
  /// False where the block map's place in the inode holds something else: a short link, a device number, data.
  var ownsBlocks: Bool {
    guard !flags.contains(.inlineData) else { return false }
    return switch fileType {
    case .regular, .directory: true
    case .symbolicLink: !isFastSymbolicLink
    default: false
    }
  }
}
