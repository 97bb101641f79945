import Ext4

/// The whole `-o` vocabulary. The parser and the help text both read this table, and nothing else
/// knows an option's name.
enum MountOptionTable {
  struct Section: Sendable {
    let title: String
    let options: [MountOptionDefinition]
  }

  static let sections = [image, access, fileSystem, data, mount, administrative, ext4]

  private static let image = Section(
    title: "Where the file system is",
    options: [
      .init(
        "offset", summary: "it begins this far into DEVICE; suffix K, M, G or T",
        effect: .assign("BYTES", \.offset, ByteCount.parse)),
      .init(
        "partition", summary: "it is in this partition (MBR or GPT) of DEVICE",
        effect: .assign("N", \.partition) { Int($0).flatMap { $0 >= 1 ? $0 : nil } }),
      .init(
        "journal_path", summary: "its journal is on this device (found by UUID)",
        effect: .assign("PATH", \.journalPath, { $0 })),
    ])

  private static let access = Section(
    title: "Who may do what",
    options: [
      .init("ro", summary: "read-only", effect: .set(\.readOnly, true)),
      .init("rw", summary: "read-write (default)", effect: .set(\.readOnly, false)),
      .init(
        "allow_other", summary: "all users may use the mount",
        effect: .flag {
          $0.allowOther = true
          $0.allowRoot = false
        }),
      .init(
        "allow_root", summary: "you and root may use the mount",
        effect: .flag {
          $0.allowRoot = true
          $0.allowOther = false
        }),
      .init(
        "default_permissions", summary: "permissions are checked (default, but for fakeroot)",
        effect: .set(\.defaultPermissions, true)),
      .init(
        "fakeroot", summary: "no permission checks: act in the mount as root would",
        effect: .set(\.fakeroot, true)),
      .init(
        "idmap", summary: "mounts with mapped ids can be made of it (Linux 6.12)",
        effect: .set(\.mappedIDs, true)),
      .init(
        "uid", summary: "show this user as the owner of everything",
        effect: .assign("UID", \.uid, parseID)),
      .init(
        "gid", summary: "show this group as the group of everything",
        effect: .assign("GID", \.gid, parseID)),
    ])

  private static let fileSystem = Section(
    title: "The file system",
    options: [
      .init(
        "errors", summary: "what to do about a damaged file system",
        effect: .assign(
          "continue|remount-ro|panic", \.errors, { ErrorsBehavior(rawValue: $0) })),
      .init(
        "norecovery", "noload", summary: "do not use the journal, nor replay it (then only ro)",
        effect: .set(\.noRecovery, true)),
      .init(
        "commit", summary: "seconds between commits of changes (5)",
        effect: .assign("SECONDS", \.commitInterval, parseInterval)),
      .init(
        "data", summary: "ordered: file data reaches the disk before what leads to it (default)",
        effect: .assign("ordered|writeback", \.dataOrder, { DataOrder(rawValue: $0) })),
      .init(
        "barrier", summary: "flush the device where order matters (1, default), or never (0)",
        effect: .optionalValue(placeholder: "0|1") { options, value in
          guard value == nil || value == "1" || value == "0" else { return false }
          options.usesBarriers = value != "0"
          return true
        }),
      .init("nobarrier", summary: "the same as barrier=0", effect: .set(\.usesBarriers, false)),
      .init(
        "inode_readahead_blks",
        summary: "blocks of the inode table to read together, a power of two (32)",
        effect: .assign("BLOCKS", \.inodeReadAheadBlocks, parseReadAhead)),
      .init("acl", summary: "POSIX access control lists", effect: .set(\.acl, true)),
      .init("noacl", summary: "no access control lists", effect: .set(\.acl, false)),
      .init(
        "user_xattr", summary: "extended attributes of users", effect: .set(\.userXattr, true)),
      .init(
        "nouser_xattr", summary: "no extended attributes of users",
        effect: .set(\.userXattr, false)),
      .init(
        "minixdf", summary: "df counts the file system's own tables as used",
        effect: .set(\.minixDF, true)),
      .init(
        "grpid", "bsdgroups", summary: "new files have the group of their directory",
        effect: .set(\.groupsFromDirectory, true)),
      .init(
        "nogrpid", "sysvgroups", summary: "only with the directory's set-group-ID bit (default)",
        effect: .set(\.groupsFromDirectory, false)),
      .init(
        "resuid", summary: "this user may use the reserved blocks",
        effect: .assign("UID", \.reserveUser, parseID)),
      .init(
        "resgid", summary: "this group may use the reserved blocks",
        effect: .assign("GID", \.reserveGroup, parseID)),
      .init(
        "discard", summary: "tell the device which blocks have become free",
        effect: .set(\.discard, true)),
      .init("nodiscard", summary: "only fstrim does (default)", effect: .set(\.discard, false)),
      .init("bsddf", summary: "df leaves them out (default)", effect: .set(\.minixDF, false)),
    ])

  private static let data = Section(
    title: "Who moves data",
    options: [
      .init(
        "iomap", summary: "the kernel, where it can (FUSE iomap), or the daemon",
        effect: .assign("auto|always|never", \.iomap, { IomapWish(rawValue: $0) })),
      .init(
        "iomap_cache", summary: "the kernel remembers where data lies (on)",
        effect: .assign("on|off", \.iomapCache, { $0 == "on" ? true : $0 == "off" ? false : nil })),
    ])

  /// What works in the mount only if that is asked for.
  private static func privilege(
    _ word: String, _ what: String,
    _ property: WritableKeyPath<MountOptions, MountPrivilege> & Sendable
  ) -> [MountOptionDefinition] {
    [
      .init(
        "no\(word)", summary: "no \(what) (default)",
        effect: .flag { $0[keyPath: property].refuse() }),
      .init(
        word, summary: "\(what) work; for root only",
        effect: .flag { $0[keyPath: property].grant() }),
      .init(
        "allow_\(word)", summary: "the same through mount(8), unless no\(word) is given as well",
        effect: .flag { $0[keyPath: property].grantUnlessRefused() }),
    ]
  }

  private static let mount = Section(
    title: "The mount",
    options: privilege("dev", "device nodes", \.deviceNodes)
      + privilege("suid", "set-user-ID programs", \.setUserID) + [
        .init("noexec", summary: "no program can be started", effect: .set(\.noexec, true)),
        .init("exec", summary: "programs can be started (default)", effect: .set(\.noexec, false)),
        .init("noatime", summary: "never update access times", effect: .set(\.atime, .noatime)),
        .init(
          "relatime", "atime", summary: "update access times sparingly (default)",
          effect: .set(\.atime, .relatime)),
        .init(
          "strictatime", summary: "update access times always", effect: .set(\.atime, .strictatime)),
        .init(
          "nodiratime", summary: "never update access times of directories",
          effect: .set(\.directoryAtime, false)),
        .init(
          "diratime", summary: "update them, too (default)", effect: .set(\.directoryAtime, true)),
        .init(
          "dirsync", summary: "changes of directories reach the disk at once",
          effect: .set(\.dirsync, true)),
        .init(
          "sync", summary: "all changes reach the disk at once",
          effect: .set(\.synchronous, true)),
        .init(
          "async", summary: "changes may wait in memory (default)",
          effect: .set(\.synchronous, false)
        ),
        .init(
          "remount", summary: "change a mount that is there, as far as that can be done; for root",
          effect: .set(\.remount, true)),
        .init(
          "cache_size", summary: "memory for metadata, such as 128M (64M)",
          effect: .assign("SIZE", \.cacheSize, parseCacheSize)),
        .init(
          "keep_awake",
          summary: "processors poll between requests of a busy program; for root (auto)",
          effect: .assign("auto|on|off", \.keepAwake, { Wakefulness(rawValue: $0) })),
        .init(
          "io_uring", summary: "requests come over io_uring, where the kernel has it on (off)",
          effect: .assign("auto|on|off", \.ioUring, { IOUringWish(rawValue: $0) })),
        .init(
          "sandbox", summary: "the daemon gives up what it does not need; on: or fails (auto)",
          effect: .assign("auto|on|off", \.sandbox, { SandboxWish(rawValue: $0) })),
        .init(
          "check_open", summary: "refuse to open immutable and append-only files as ext4 does",
          effect: .set(\.checkOpen, true)),
        .init(
          "fsname", summary: "source shown in the mount table (DEVICE)",
          effect: .assign("NAME", \.fsName, { $0 })),
        .init(
          "subtype", summary: "type shown in the mount table after 'fuse.' (fuse4fs)",
          effect: .assign("TYPE", \.subtype, { $0 })),
      ])

  private static let administrative = Section(
    title: "Accepted for mount(8) and fstab(5), without effect",
    options: [
      .init(
        "defaults", "auto", "noauto", "fail", "nofail", "user", "nouser", "users", "nousers",
        "owner", "noowner", "group", "nogroup", "_netdev", "comment", "lazytime", "nolazytime",
        "norelatime", "nostrictatime", "silent", "loud",
        "mand", "nomand", "iversion", "noiversion", "user_id", "group_id", "blksize", "x-*", "X-*",
        summary: "", effect: .ignored)
    ])

  private static let ext4 = Section(
    title: "Accepted because the kernel's ext4 has them, without effect",
    options: [
      .init(
        "delalloc", "nodelalloc", "dioread_lock", "dioread_nolock", "block_validity",
        "noblock_validity", "auto_da_alloc", "noauto_da_alloc", "journal_checksum",
        "nojournal_checksum", "journal_async_commit", "journal_ioprio", "max_batch_time",
        "min_batch_time", "stripe", "init_itable", "noinit_itable",
        "mb_optimize_scan", "prefetch_block_bitmaps", "no_prefetch_block_bitmaps", "i_version",
        "nombcache", "no_mbcache", "oldalloc", "orlov",
        summary: "", effect: .ignored)
    ])

  static func definition(of name: String) -> MountOptionDefinition? {
    exact[name] ?? prefixes.first { name.hasPrefix($0.prefix) }?.definition
  }

  private static let exact: [String: MountOptionDefinition] = {
    let pairs = sections.flatMap(\.options).flatMap { definition in
      definition.names.map { ($0, definition) }
    }
    return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
  }()

  private static let prefixes = sections.flatMap(\.options).flatMap { definition in
    definition.names.filter { $0.hasSuffix("*") }.map {
      (prefix: String($0.dropLast()), definition: definition)
    }
  }

  /// 0 is the default, as with the kernel.
  private static let parseInterval: @Sendable (String) -> Int? = { text in
    Int(text).flatMap { (0...86_400).contains($0) ? $0 : nil }
  }

  /// As with the kernel (EXT4_OPT inode_readahead_blks in fs/ext4/super.c): 0, or a power of two.
  private static let parseReadAhead: @Sendable (String) -> UInt32? = { text in
    UInt32(text).flatMap { $0 <= 1 << 30 && $0 & ($0 &- 1) == 0 ? $0 : nil }
  }

  private static let parseCacheSize: @Sendable (String) -> Int64? = { text in
    ByteCount.parse(text).flatMap { CacheSizes.allowed.contains($0) ? $0 : nil }
  }

  /// All but the largest number, which stands for "no such user" in the kernel.
  private static let parseID: @Sendable (String) -> UInt32? = { text in
    UInt32(text).flatMap { $0 == .max ? nil : $0 }
  }
}
