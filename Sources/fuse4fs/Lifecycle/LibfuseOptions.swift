import Glibc

extension MountOptions {
  /// The flags of mount(2) that stand for the same (MS_*, include/uapi/linux/mount.h).
  var mountFlags: UInt {
    var flags: UInt = 0
    func add(_ flag: some BinaryInteger, if condition: Bool) {
      if condition { flags |= UInt(flag) }
    }
    add(MS_RDONLY, if: readOnly)
    add(MS_NOSUID, if: !setUserID.isGranted)
    add(MS_NODEV, if: !deviceNodes.isGranted)
    add(MS_NOEXEC, if: noexec)
    add(MS_NOATIME, if: atime == .noatime)
    add(MS_SYNCHRONOUS, if: synchronous)
    add(MS_DIRSYNC, if: dirsync)
    return flags
  }

  /// The options that libfuse passes on to the kernel or to fusermount3, each ready to stand in a
  /// comma-separated list after `-o`.
  ///
  /// - Parameters:
  ///   - image: where the name of the source comes from, unless `fsName` gives one.
  ///   - blockMountSize: the file system's block size, if the kernel is to know the block device, which makes it a mount of the type
  ///     fuseblk; nil for others.
  func libfuseOptions(for image: ImageSource, blockMountSize: Int? = nil) -> [String] {
    var list = [
      "fsname=" + MountOptionList.escape(fsName ?? image.path),
      "subtype=" + MountOptionList.escape(subtype ?? "fuse4fs"),
    ]
    if let blockMountSize {
      // FIBMAP counts in these; the kernel knows no blocks larger than a page.
      list += ["blkdev", "blksize=\(min(blockMountSize, sysconf(Int32(_SC_PAGESIZE))))"]
    }
    if readOnly { list.append("ro") }
    // libfuse turns these two off by itself; fusermount3 lets only root turn them on.
    if deviceNodes.isGranted && geteuid() == 0 { list.append("dev") }
    if setUserID.isGranted && geteuid() == 0 { list.append("suid") }
    if noexec { list.append("noexec") }
    // The only policy that the kernel can act on for FUSE; the other two are the daemon's.
    if atime == .noatime { list.append("noatime") }
    if dirsync { list.append("dirsync") }
    if synchronous { list.append("sync") }
    if allowOther { list.append("allow_other") }
    if allowRoot { list.append("allow_root") }
    if defaultPermissions || !fakeroot { list.append("default_permissions") }
    return list
  }
}
