import Journal
import SystemPackage

/// A journal that has a device of its own: an ext2 superblock where one always is, with the feature journal_dev, and in the next
/// block the journal's (`ext4_get_journal_blkdev`).
enum ExternalJournal {
  /// - Parameters:
  ///   - uuid: that the file system says its journal has.
  ///   - user: the file system's own.
  static func open(
    _ uuid: FileSystemUUID, for user: FileSystemUUID, blockSize: Int,
    in environment: JournalEnvironment
  ) throws(MountRefusal) -> OpenJournal {
    guard let openDevice = environment.openDevice else {
      throw MountRefusal("its journal is on another device, with the UUID \(uuid)")
    }
    let device = try openDevice(uuid)
    let superblock: RawSuperblock
    do throws(Errno) {
      superblock = try RawSuperblock(of: device)
    } catch {
      throw MountRefusal("the device of its journal cannot be read (\(error))")
    }
    guard superblock.hasMagic, superblock.features.incompatible.contains(.journalDevice),
      superblock.hasValidChecksum
    else {
      throw MountRefusal(
        "the device that is to be its journal holds none; give the right one with -o journal_path=PATH"
      )
    }
    guard superblock.uuid == uuid else {
      throw MountRefusal(
        "the device that is to be its journal has the UUID \(superblock.uuid), and its journal \(uuid); give the "
          + "right one with -o journal_path=PATH")
    }
    // Journals count the whole device, from its first block on.
    let blocks = superblock[\.s_blocks_count].clamped(
      to: 0...UInt32(clamping: device.byteCount / Int64(blockSize)))
    let area = JournalArea(
      device: device, blockSize: blockSize,
      runs: [JournalArea.Run(first: BlockNumber(0), count: blocks)])
    let journal: OpenJournal
    do throws(JournalError) {
      journal = try OpenJournal(
        area: area, superblockPlace: blockSize == 1024 ? 2 : 1, isExternal: true)
    } catch {
      throw MountRefusal(error.description)
    }
    // One that several file systems share is beyond the kernel, too.
    guard journal.superblock.userCount == 1, journal.superblock.users == [user] else {
      throw MountRefusal(
        "the device that is to be its journal belongs to another file system; give the right one with "
          + "-o journal_path=PATH, or run e2fsck on both")
    }
    return journal
  }
}
