import Ext4
import FuseServer
import SystemPackage

/// The ioctls behind lsattr(1) and chattr(1) (include/uapi/linux/fs.h). Before it sets flags in either form, the kernel asks for
/// the old ones as `struct fsxattr`.
struct FlagControl {
  private enum Command: UInt32 {
    case getFlags = 0x8008_6601
    case setFlags = 0x4008_6602
    case getExtended = 0x801C_581F
    case setExtended = 0x401C_5820
  }

  /// `struct fsxattr`: xflags, extsize, nextents, projid, cowextsize (all u32), 8 bytes of padding.
  private static let extendedSize = 28
  private static let projectOffset = 12

  /// FS_XFLAG_* and what they are in an inode.
  private static let extendedFlags: [(extended: UInt32, flag: InodeFlags)] = [
    (0x0000_0008, .immutable), (0x0000_0010, .appendOnly), (0x0000_0020, .synchronous),
    (0x0000_0040, .noAccessTime), (0x0000_0080, .noDump), (0x0000_0200, .inheritProject),
    (0x0000_8000, .directAccess),
  ]

  private let command: Command
  private let input: UnsafeRawBufferPointer

  /// Throws ENOTTY for any other command.
  init(
    command: UInt32, input: UnsafeRawBufferPointer, outputCapacity: Int
  ) throws(Ext4Error) {
    guard let command = Command(rawValue: command) else { throw .errno(.inappropriateIOCTL) }
    let isComplete =
      switch command {
      case .getFlags: outputCapacity >= 4
      case .setFlags: input.count >= 4
      case .getExtended: outputCapacity >= Self.extendedSize
      case .setExtended: input.count >= Self.extendedSize
      }
    guard isComplete else { throw .errno(.invalidArgument) }
    self.command = command
    self.input = input
  }

  /// Returns what the caller reads. Plain flags are an `int`, whatever the command's number says of its size.
  /// `maySwitchJournaling`: whether the data of the file may begin to go through the journal, or cease to.
  func carryOut(
    on inode: Inode, maySwitchJournaling: @autoclosure () -> Bool
  ) throws(Ext4Error) -> [UInt8] {
    // Whether the kernel must ask before each write depends on the flags (`Inode.admitsWritersOnRequest`).
    defer {
      if command == .setFlags || command == .setExtended {
        Session.invalidateAttributes(of: inode.number.nodeID)
      }
    }
    let status = inode.status()
    switch command {
    case .getFlags:
      return withUnsafeBytes(of: status.flags.intersection(.visible).rawValue) { Array($0) }
    case .setFlags:
      let flags = InodeFlags(rawValue: input.loadUnaligned(as: UInt32.self))
      if flags.contains(.journalData) != status.flags.contains(.journalData),
        !maySwitchJournaling()
      {
        throw .errno(.notPermitted)
      }
      try inode.setFlags(flags, projectID: nil)
      return []
    case .getExtended:
      var reply = [UInt8](repeating: 0, count: Self.extendedSize)
      let flags = Self.extendedFlags.reduce(UInt32(0)) {
        status.flags.contains($1.flag) ? $0 | $1.extended : $0
      }
      reply.withUnsafeMutableBytes {
        $0.storeBytes(of: flags, as: UInt32.self)
        $0.storeBytes(
          of: status.projectID, toByteOffset: Self.projectOffset, as: UInt32.self)
      }
      return reply
    case .setExtended:
      let wanted = input.loadUnaligned(as: UInt32.self)
      var flags = status.flags.intersection(.visible)
      for (extended, flag) in Self.extendedFlags {
        if wanted & extended != 0 { flags.insert(flag) } else { flags.remove(flag) }
      }
      try inode.setFlags(
        flags,
        projectID: input.loadUnaligned(fromByteOffset: Self.projectOffset, as: UInt32.self))
      return []
    }
  }
}
