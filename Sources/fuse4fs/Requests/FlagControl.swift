import Ext4
import SystemPackage

/// The ioctls behind lsattr(1) and chattr(1): FS_IOC_GETFLAGS and FS_IOC_SETFLAGS (include/uapi/linux/fs.h).
struct FlagControl {
  private enum Command: UInt32 {
    case getFlags = 0x8008_6601
    case setFlags = 0x4008_6602
  }

  private let command: Command
  private let input: UnsafeRawBufferPointer

  /// Throws ENOTTY for a command that is neither.
  init(
    command: UInt32, input: UnsafeRawBufferPointer, outputCapacity: Int
  ) throws(Ext4Error) {
    guard let command = Command(rawValue: command) else { throw .errno(.inappropriateIOCTL) }
    switch command {
    case .getFlags: guard outputCapacity >= 4 else { throw .errno(.invalidArgument) }
    case .setFlags: guard input.count >= 4 else { throw .errno(.invalidArgument) }
    }
    self.command = command
    self.input = input
  }

  /// Returns what the caller reads. The flags are an `int`, whatever the command's number says of its size.
  func carryOut(on inode: Inode) throws(Ext4Error) -> [UInt8] {
    switch command {
    case .getFlags:
      return withUnsafeBytes(of: inode.status().flags.rawValue) { Array($0) }
    case .setFlags:
      try inode.setFlags(InodeFlags(rawValue: input.loadUnaligned(as: UInt32.self)))
      return []
    }
  }
}

extension Errno {
  fileprivate static let inappropriateIOCTL = Errno(rawValue: 25)
}
