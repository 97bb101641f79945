import CExt2FS
import Journal
import SystemPackage

/// What can go wrong in the file system.
public enum Ext4Error: Error, Sendable {
  /// An answer that callers expect, such as ENOENT or ENOSPC.
  case errno(Errno)
  /// The image contradicts itself. Reported to callers as EUCLEAN.
  case corrupted(InodeNumber, what: StaticString)
  /// libext2fs failed with a code of its own (`errcode_t`) while `doing` something to the inode.
  case library(code: Int, doing: StaticString, InodeNumber)

  /// What a caller gets to see.
  public var errno: Errno {
    switch self {
    case .errno(let errno): errno
    case .corrupted: .corrupted
    case .library(let code, _, _): Self.errno(ofLibraryCode: code)
    }
  }

  /// True when the error says that something on disk is wrong or cannot be reached, so that further
  /// writing could make it worse.
  public var isDamage: Bool {
    switch self {
    case .errno: false
    case .corrupted: true
    case .library: errno == .corrupted || errno == .ioError
    }
  }

  /// The daemon may not write that far into the file that holds the file system (RLIMIT_FSIZE).
  public var isFileSizeLimit: Bool {
    guard case .library(let code, _, _) = self else { return false }
    return code == Int(Errno.fileTooLarge.rawValue)
  }

  /// The errno for a code of libext2fs: codes below 256 are errnos themselves (com_err), those of the
  /// library's own table speak of damage unless listed here.
  static func errno(ofLibraryCode code: Int) -> Errno {
    switch code {
    // The device's own, not the file's: there is no more room in it than it has been given.
    case Int(Errno.fileTooLarge.rawValue): .noSpace
    case 1..<256: Errno(rawValue: CInt(code))
    case Int(EXT2_ET_NO_MEMORY): .noMemory
    case Int(EXT2_ET_BLOCK_ALLOC_FAIL), Int(EXT2_ET_INODE_ALLOC_FAIL),
      Int(EXT2_ET_EA_NO_SPACE), Int(EXT2_ET_INLINE_DATA_NO_SPACE), Int(EXT2_ET_DIR_NO_SPACE),
      Int(EXT2_ET_EXTENT_NO_SPACE):
      .noSpace
    case Int(EXT2_ET_FILE_TOO_BIG): .fileTooLarge
    case Int(EXT2_ET_FILE_EXISTS): .fileExists
    case Int(EXT2_ET_EA_KEY_NOT_FOUND): .noData
    case Int(EXT2_ET_FILE_NOT_FOUND): .noSuchFileOrDirectory
    case Int(EXT2_ET_RO_FILSYS): .readOnlyFileSystem
    case Int(EXT2_ET_OP_NOT_SUPPORTED): .notSupported
    case Int(EXT2_ET_SHORT_READ), Int(EXT2_ET_SHORT_WRITE): .ioError
    default: .corrupted
    }
  }
}

extension Errno {
  /// EUCLEAN, which Linux file systems return for a corrupted structure (EFSCORRUPTED).
  public static let corrupted = Errno(rawValue: 117)
  /// ENOTTY.
  public static let inappropriateIOCTL = Errno(rawValue: 25)
}

/// Throws unless `code`, returned by libext2fs, is 0.
@inline(__always)
func check(_ code: errcode_t, _ doing: StaticString, _ inode: InodeNumber = InodeNumber(0))
  throws(Ext4Error)
{
  if code != 0 { throw .library(code: Int(code), doing: doing, inode) }
}
