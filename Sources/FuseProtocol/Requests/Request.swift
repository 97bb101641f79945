import IomapCache

/// An operation that the kernel asks for, with its arguments.
///
/// Names and data are not copied: they are parts of the memory that the request was decoded from, and valid for as long as that is. Names
/// have neither their NUL nor any other; what else is in them, and how long they are, is for the file system to judge. So are all numbers: offsets
/// and lengths may be anything.
public enum Request {
  case lookup(Lookup)
  case forget(Forget)
  case getattr(GetAttributes)
  case setattr(SetAttributes)
  case readlink
  case symlink(MakeSymbolicLink)
  case mknod(MakeNode)
  case mkdir(MakeDirectory)
  case unlink(Unlink)
  case rmdir(Unlink)
  case rename(Rename)
  /// Renameat2(2).
  case rename2(Rename)
  case link(Link)
  case open(Open)
  case opendir(Open)
  case read(Read)
  case readdir(Read)
  case readdirplus(Read)
  case write(Write)
  case statfs
  case release(Release)
  case releasedir(Release)
  case fsync(Synchronize)
  case fsyncDirectory(Synchronize)
  case setxattr(SetExtendedAttribute)
  case getxattr(GetExtendedAttribute)
  case listxattr(ListExtendedAttributes)
  case removexattr(RemoveExtendedAttribute)
  case flush(Flush)
  case initialize(Initialize)
  case getlk(Lock)
  case setlk(Lock)
  /// Waits for the lock.
  case setlkw(Lock)
  case access(Access)
  case create(Create)
  case tmpfile(Create)
  case interrupt(Interrupt)
  case bmap(MapBlock)
  case destroy
  case ioctl(Control)
  case poll(Poll)
  case notifyReply(RetrievedData)
  case batchForget(BatchForget)
  case fallocate(Allocate)
  case lseek(Seek)
  case copyFileRange(CopyFileRange)
  /// The same, with a reply that counts in 64 bits.
  case copyFileRange64(CopyFileRange)
  case setupmapping(SetupMapping)
  case removemapping(RemoveMapping)
  case syncFileSystem
  case statx(GetStatx)
  case freeze(IomapWire.FreezeRequest)
  case unfreeze
  case shutdown(IomapWire.ShutdownRequest)
  case iomapConfig(IomapWire.ConfigRequest)
  case iomapIOEnd(IomapWire.IOEndRequest)
  case iomapBegin(IomapWire.BeginRequest)
  case iomapEnd(IomapWire.EndRequest)
}
