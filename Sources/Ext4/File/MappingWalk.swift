import IomapCache

/// What a walk over the mappings of a file may take: no more blocks than the file system has, or some are met again and again; and no
/// longer than the process that asked for it waits.
struct MappingWalk {
  private unowned(unsafe) let inode: Inode
  /// Bytes.
  private var left: UInt64
  private var steps = 0
  private static let stepsPerQuestion = 64

  init(over inode: Inode) {
    self.inode = inode
    left = inode.volume.blockCount << inode.volume.blockShift
  }

  /// Goes on from `position` to behind `mapping`, which covers it, and returns where that is. EUCLEAN, EINTR.
  @inline(__always)
  mutating func pass(_ mapping: Mapping, from position: FileOffset) throws(Ext4Error) -> FileOffset
  {
    let end = mapping.end
    if mapping.kind.hasBlocks {
      let length = end - position
      guard length <= left else {
        throw .corrupted(inode.number, what: "a file has more blocks than its file system")
      }
      left -= length
    }
    steps += 1
    if steps % Self.stepsPerQuestion == 0 { try inode.volume.requireCaller() }
    return end
  }
}

extension Volume {
  /// EINTR if the process whose request this thread serves is being killed. To be called by all that may take
  /// long, where all is in order: it costs next to nothing.
  @inline(__always)
  func requireCaller() throws(Ext4Error) {
    if options.isCallerGone() { throw .errno(.interrupted) }
  }
}
