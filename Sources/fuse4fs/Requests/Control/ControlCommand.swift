/// The ioctls that are answered here, beside those of `FlagControl`, by their numbers (include/uapi/linux/fs.h, fs/ext4/ext4.h).
///
/// What is missing is ENOTTY: the kernel answers some by itself and passes none of them on (FIEMAP, FIFREEZE, FICLONE), and what a
/// number says of sizes and directions leaves no way for others (EXT4_IOC_MOVE_EXT has a descriptor in it, EXT4_IOC_GETFSUUID and
/// EXT4_IOC_SETFSUUID have the UUID behind what the number counts).
enum ControlCommand: UInt32 {
  /// FS_IOC_GETVERSION and its 32-bit form, EXT4_IOC_GETVERSION.
  case getVersion = 0x8008_7601
  case getVersion32 = 0x8004_7601
  case getExt4Version = 0x8008_6603
  case setVersion = 0x4008_7602
  case setVersion32 = 0x4004_7602
  case setExt4Version = 0x4008_6604
  /// FS_IOC_GETFSLABEL, FS_IOC_SETFSLABEL.
  case getLabel = 0x8100_9431
  case setLabel = 0x4100_9432
  /// FS_IOC_GETFSUUID; kernels from 6.9 on answer it by themselves, with ENOTTY.
  case getUUID = 0x8011_1500
  /// FITRIM.
  case trim = 0xC018_5879
  /// EXT4_IOC_SHUTDOWN.
  case shutDown = 0x8004_587D
  /// EXT4_IOC_PRECACHE_EXTENTS.
  case precacheExtents = 0x0000_6612
  /// EXT4_IOC_CHECKPOINT.
  case checkpoint = 0x4004_662B
}
