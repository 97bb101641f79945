import CExt2FS
import IomapCache
import Journal

extension Volume {
  /// Where the blocks of the journal `number` lie. No block may be missing, outside the file system or in two places, as
  /// `ext4_get_journal_inode` and e2fsck have it.
  func journalRuns(of number: InodeNumber) throws(MountRefusal) -> [JournalArea.Run] {
    do throws(Ext4Error) {
      return try metadata.withLock { () throws(Ext4Error) in
        let inode = try inode(number)
        guard number == .journal || geometry.isForFiles(number),
          inode.isRegularFile, inode.linkCount > 0,
          inode.flags.isDisjoint(with: [.inlineData, .encrypted])
        else { throw .corrupted(number, what: "the journal is not a file that could be one") }
        return try checked(try runs(of: inode), of: number)
      }
    } catch {
      throw MountRefusal(
        "its journal cannot be found: \(Self.reason(error)) (inode \(number)); run e2fsck on it")
    }
  }

  private static func reason(_ error: Ext4Error) -> String {
    if case .corrupted(_, let what) = error { return "\(what)" }
    return "\(error.errno)"
  }

  /// Pieces that a journal may be in: more than any has, and what there is memory for.
  private static let maximumJournalRuns = 1 << 17

  private func runs(of inode: Inode) throws(Ext4Error) -> [JournalArea.Run] {
    let blocks = inode.size >> blockShift
    guard blocks <= UInt64(UInt32.max), blocks <= blockCount else {
      throw .corrupted(inode.number, what: "the journal is too large")
    }
    let end = FileOffset(blocks << blockShift)
    var runs: [JournalArea.Run] = []
    var position = FileOffset(0)
    while position < end {
      let mapping = try inode.mapping(at: position, metadataHeld: true)
      guard mapping.kind == .mapped else {
        throw .corrupted(inode.number, what: "the journal has holes")
      }
      let first = BlockNumber(mapping.address(of: position).rawValue >> blockShift)
      let stop = min(mapping.end, end)
      let count = UInt32((stop - position) >> blockShift)
      guard count > 0, contains(first, count: UInt64(count)) else {
        throw .corrupted(inode.number, what: "the journal reaches out of the file system")
      }
      guard runs.count < Self.maximumJournalRuns else {
        throw .corrupted(inode.number, what: "the journal is in too many pieces")
      }
      runs.append(JournalArea.Run(first: first, count: count))
      position = stop
    }
    return runs
  }

  private func checked(
    _ runs: [JournalArea.Run], of number: InodeNumber
  ) throws(Ext4Error) -> [JournalArea.Run] {
    var end: UInt64 = 0
    for run in runs.sorted(by: { $0.first < $1.first }) {
      guard run.first.rawValue >= end else {
        throw .corrupted(number, what: "the journal has a block in two places")
      }
      end = run.first.rawValue + UInt64(run.count)
    }
    return runs
  }
}
