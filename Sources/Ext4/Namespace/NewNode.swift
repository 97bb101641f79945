import CExt2FS
import Glibc
import Journal
import SystemPackage

/// Which process asks for a new file, and what the file is to be like.
public struct NewNode: Sendable {
  public enum Content: Sendable {
    case regularFile
    case directory
    case fifo
    case socket
    /// The device in the kernel's `new_encode_dev` form, as FUSE carries it.
    case characterDevice(UInt32)
    case blockDevice(UInt32)
    /// The target: 1 byte up to one less than a block.
    case symbolicLink([UInt8])
  }

  public var content: Content
  /// Permission bits, before the directory's default ACL or the umask is applied.
  public var permissions: UInt16
  public var umask: UInt16
  /// The kernel manages the directory: it has applied the umask and the default ACL to `permissions`, and sets the ACLs itself.
  public var isComplete = false
  public var userID: UInt32
  public var groupID: UInt32

  public init(
    _ content: Content, permissions: UInt16, umask: UInt16, userID: UInt32, groupID: UInt32
  ) {
    self.content = content
    self.permissions = permissions & 0o7777
    self.umask = umask
    self.userID = userID
    self.groupID = groupID
  }

  var fileType: FileType {
    switch content {
    case .regularFile: .regular
    case .directory: .directory
    case .fifo: .fifo
    case .socket: .socket
    case .characterDevice: .characterDevice
    case .blockDevice: .blockDevice
    case .symbolicLink: .symbolicLink
    }
  }
}

extension Volume {
  /// Creates a file of any type under `name` in `directory`, and refers to it once for the caller (see `forget`).
  /// EEXIST if the name is taken, EMLINK if the directory cannot have another subdirectory, ENOSPC.
  public func create(
    _ node: NewNode, named name: FileName, in directory: Inode
  ) throws(Ext4Error) -> Inode {
    try requireWritable()
    return try change(credits: creationCredits) { () throws(Ext4Error) in
      try requireNewName(name, in: directory)
      if node.fileType == .directory { try requireRoomForSubdirectory(in: directory) }
      try directory.requireStorable()
      try directory.requireGrowable()
      let inode = try makeInode(for: node, in: directory)
      do throws(Ext4Error) {
        try directory.insertEntry(name, inode.number, type: node.fileType)
      } catch {
        undo { () throws(Ext4Error) in try freeInode(inode) }
        throw error
      }
      if node.fileType == .directory { directory.addSubdirectory() }
      try directory.touch()
      inodes.reference(inode)
      return inode
    }
  }

  /// For a new inode and its name. ACLs that are inherited may take an inode of their own.
  var creationCredits: Int {
    guard features.incompatible.contains(.attributeInodes) else { return Credits.ordinary }
    return Credits.ordinary + Int(blocks(forValueOf: Inode.maximumNewValueSize))
  }

  /// Makes an inode that no directory names yet; frees it again when something fails. Metadata lock held.
  func makeInode(for node: NewNode, in directory: Inode) throws(Ext4Error) -> Inode {
    // A directory with the set-group-id bit hands its group down, and to directories the bit as well.
    let inheritsGroup = directory.mode & 0o2000 != 0
    var permissions = node.permissions
    let takesGroup = inheritsGroup || takesGroupsFromDirectories
    if inheritsGroup, !takesGroupsFromDirectories, node.fileType == .directory {
      permissions |= 0o2000
    }
    let inode = try allocateInode(
      in: directory, mode: node.fileType.modeBits | permissions, userID: node.userID,
      groupID: takesGroup ? directory.groupID : node.groupID)
    do throws(Ext4Error) {
      inode.linkCount = node.fileType == .directory ? 2 : 1
      try fill(inode, with: node.content, parent: directory)
      if !node.isComplete {
        inode.mode = try inode.inheritACL(from: directory, mode: inode.mode, umask: node.umask)
      }
      try inode.store()
    } catch {
      undo { () throws(Ext4Error) in try freeInode(inode) }
      throw error
    }
    return inode
  }

  /// `grpid`, by option or by the superblock (EXT4_DEFM_BSDGROUPS). Set-group-ID bits are not handed down then (fs/ext4/ialloc.c).
  private var takesGroupsFromDirectories: Bool {
    options.groupsFromDirectory
      ?? superblock.takesGroupsFromDirectories
  }

  private func fill(
    _ inode: Inode, with content: NewNode.Content, parent: Inode
  ) throws(Ext4Error) {
    switch content {
    case .regularFile:
      inode.initializeBlockMap()
      try inode.store()
    case .directory:
      inode.initializeBlockMap()
      try inode.store()
      try inode.initializeDirectory(parent: parent.number)
    case .fifo, .socket:
      try inode.store()
    case .characterDevice(let device), .blockDevice(let device):
      inode.setDeviceNumber(device)
      try inode.store()
    case .symbolicLink(let target):
      try inode.setLinkTarget(target)
    }
  }

  /// ENOENT in a deleted directory, ENOTDIR, EEXIST. Metadata lock held.
  func requireNewName(_ name: FileName, in directory: Inode) throws(Ext4Error) {
    guard directory.isDirectory else { throw .errno(.notDirectory) }
    guard directory.linkCount > 0 else { throw .errno(.noSuchFileOrDirectory) }
    guard try directory.lookup(name) == nil else { throw .errno(.fileExists) }
    try directory.requireInsertable()
  }

  /// EMLINK where another ".." would exceed what the link count can say. Metadata lock held.
  func requireRoomForSubdirectory(in directory: Inode) throws(Ext4Error) {
    guard directory.linkCount >= Inode.maximumLinkCount else { return }
    guard features.readOnlyCompatible.contains(.manySubdirectories),
      directory.flags.contains(.indexed)
    else { throw .errno(.tooManyLinks) }
  }
}

// Metadata lock held, for all of this.
extension Inode {
  /// EXT4_LINK_MAX.
  static let maximumLinkCount: UInt16 = 65000

  /// A subdirectory's ".." is a link to this directory. With more than can be counted, an indexed directory's
  /// count becomes 1, and stays so (ext4_inc_count, the dir_nlink feature).
  func addSubdirectory() {
    if linkCount == 1 { return }
    linkCount &+= 1
    if flags.contains(.indexed), linkCount > Self.maximumLinkCount { linkCount = 1 }
  }

  func removeSubdirectory() {
    if linkCount > 2 { linkCount -= 1 }
  }

  /// The directory's entries have changed. The inode is stored.
  func touch() throws(Ext4Error) {
    modificationTime = .now
    changeTime = modificationTime
    try store()
  }
}
