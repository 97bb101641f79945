/// What the command line asked for, complete and consistent: the result of parsing, plain values only.
struct MountOptions: Sendable, Equatable {
  /// The image or block device, as it was given.
  var device: String
  /// The directory to mount on, as it was given.
  var mountpoint: String
  /// What messages call the device, where `device` leads to a descriptor that the service manager has passed; it and that of `journalPath` are
  /// used as they are, with the locks that they have. Nil: `device`.
  var deviceName: String?
  /// /dev/cpu_dma_latency, where the service manager has passed it.
  var latencyDescriptor: CInt?
  /// The control socket, where the service manager has passed it.
  var controlDescriptor: CInt?
  /// Nil outside of a unit of systemd(1).
  var serviceStep: ServiceStep?

  // Access.
  var readOnly = false
  /// Leave a journal that needs recovery alone. Only together with `readOnly`.
  var noRecovery = false
  var allowOther = false
  /// Let root in besides the mounting user. Never set together with `allowOther`.
  var allowRoot = false
  /// Asked for by name. The kernel checks permissions without it, too, unless `fakeroot` is set.
  var defaultPermissions = false
  /// Every user who may use the mount can do in it what root could.
  var fakeroot = false
  /// The mount may be given mapped ids.
  var mappedIDs = false
  /// Shown as the owner of every file, as vfat does.
  var uid: UInt32?
  /// Shown as the group of every file.
  var gid: UInt32?

  // Where the file system is in the device. At most one of the two is set.
  /// In bytes, 0 or more.
  var offset: Int64?
  /// Counted as Linux counts: 1 and up, logical partitions from 5.
  var partition: Int?
  /// The device with the journal, if that is not in the file system; nil: found by its UUID.
  var journalPath: String?

  // The file system. Nil: what its superblock says.
  var errors: ErrorsBehavior?
  var acl: Bool?
  var userXattr: Bool?
  /// Statfs counts the file system's own tables as used space instead of leaving them out.
  var minixDF = false
  /// Nil: what the superblock's default mount options say.
  var groupsFromDirectory: Bool?
  /// The user who may use the reserved blocks beside root; nil: what the superblock says.
  var reserveUser: UInt32?
  var reserveGroup: UInt32?
  /// 0, or a power of two up to 2^30.
  var inodeReadAheadBlocks: UInt32?
  /// The device is told which blocks have become free.
  var discard = false

  // The journal.
  /// Seconds; nil or 0: five.
  var commitInterval: Int?
  /// Nil: ordered.
  var dataOrder: DataOrder?
  var usesBarriers = true

  // The mount. Device nodes and set-user-ID programs are off unless a privileged user turns them on,
  // as mount.fuse3(8) has it.
  var deviceNodes = MountPrivilege()
  var setUserID = MountPrivilege()
  var noexec = false
  var atime = AccessTimePolicy.relatime
  var directoryAtime = true
  var dirsync = false
  var synchronous = false
  /// Open(2) of immutable and append-only files is refused as by ext4.
  var checkOpen = false
  /// What the mount table shows as the source; nil: the device's absolute path.
  var fsName: String?
  /// What the mount table shows after `fuse.`; nil: `fuse4fs`.
  var subtype: String?

  /// Change the mount that is there.
  var remount = false

  // Whether the kernel or the daemon moves the data of files.
  /// Nil: `auto`.
  var iomap: IomapWish?
  /// Nil: on.
  var iomapCache: Bool?

  // The daemon.
  /// In bytes, within `CacheSizes.allowed`.
  var cacheSize: Int64?
  /// Nil: `auto`.
  var keepAwake: Wakefulness?
  /// Nil: `off`.
  var ioUring: IOUringWish?
  /// Nil: `auto`.
  var sandbox: SandboxWish?
  var foreground = false
  /// Implies `foreground`.
  var debug = false
  var singleThread = false

  init(device: String, mountpoint: String) {
    self.device = device
    self.mountpoint = mountpoint
  }
}

/// When the data of files is written, as in ext4(5). Data never goes through the journal itself.
enum DataOrder: String, Sendable {
  /// Before the transaction that leads to it.
  case ordered
  /// At any time.
  case writeback
}

/// Whether the kernel is to move the data of files by itself, where it can (FUSE iomap).
enum IomapWish: String, Sendable {
  /// Where it can be had; elsewhere the daemon does it.
  case auto
  /// Or not at all: the mount fails.
  case always
  case never
}

/// Whether processors may sleep while requests come one soon after the other.
enum Wakefulness: String, Sendable {
  /// They may, except in a virtual machine that has them poll before they halt.
  case auto
  /// They do not, if root mounts.
  case on
  case off
}

/// Whether requests are to come over io_uring rather than by /dev/fuse, which they do unless an option says so.
enum IOUringWish: String, Sendable {
  /// Where the kernel has it turned on.
  case auto
  /// Or not at all: the mount fails.
  case on
  case off
}

/// Whether the daemon gives up what it does not need to serve the mount.
enum SandboxWish: String, Sendable {
  /// As far as the kernel lets it.
  case auto
  /// All of it, or there is no mount.
  case on
  case off
}

/// What to do when the file system turns out to be damaged, as in ext4(5).
enum ErrorsBehavior: String, Sendable {
  case `continue`
  case remountReadOnly = "remount-ro"
  case panic
}

/// When reading a file updates its access time, as in mount(8).
enum AccessTimePolicy: Sendable {
  case noatime
  case relatime
  case strictatime
}
