import CExt2FS
import Glibc
import SystemPackage

// Extended attributes. The metadata lock is held, for all of them; the caller sets the change time.
extension Inode {
  /// What to do about an attribute that exists, or does not (setxattr(2)).
  public enum AttributeMode: Sendable {
    case createOrReplace
    /// EEXIST when there is one.
    case create
    /// ENODATA when there is none.
    case replace
  }

  /// The value of the attribute with this full name ("user.foo", "security.capability",
  /// "system.posix_acl_access"), in the form that getxattr(2) returns. ENODATA when there is none,
  /// EOPNOTSUPP for names that ext4 does not know or the mount options exclude.
  func attribute(named fullName: UnsafePointer<CChar>) throws(Ext4Error) -> [UInt8] {
    let name = try permittedName(fullName)
    guard hasAttributes else { throw .errno(.noData) }
    guard name.namespace.isACL else { return try storedValue(of: name) }
    guard let acl = try accessControlList(name) else { throw .errno(.noData) }
    return acl.attributeForm
  }

  /// Sets an attribute, whose value goes to an inode of its own if it fits nowhere else and the file system has `ea_inode`. ENOSPC when it does not fit, ERANGE when its name is too long. Returns false when it
  /// had this value already and nothing was changed.
  ///
  /// The mode means nothing for ACLs, which have functions of their own: `setAccessACL`, `setDefaultACL`.
  @discardableResult
  func setAttribute(
    named fullName: UnsafePointer<CChar>, to value: UnsafeRawBufferPointer, _ mode: AttributeMode
  ) throws(Ext4Error) -> Bool {
    let name = try permittedName(fullName)
    switch name.namespace {
    case .accessACL: return try setAccessACL(value, clearSetGroupID: false)
    case .defaultACL: return try setDefaultACL(value)
    default: break
    }
    guard try change(name, to: value, mode) else { return false }
    if name.namespace == .security { mayHaveCapability.store(true, ordering: .releasing) }
    return true
  }

  /// Removes an attribute. ENODATA when there is none, except for ACLs, whose absence is no error.
  /// Returns false when nothing was changed.
  @discardableResult
  func removeAttribute(named fullName: UnsafePointer<CChar>) throws(Ext4Error) -> Bool {
    let name = try permittedName(fullName)
    switch name.namespace {
    case .accessACL: return try setAccessACL(nil, clearSetGroupID: false)
    case .defaultACL: return try setDefaultACL(nil)
    default: return try change(name, to: nil, .replace)
    }
  }

  /// The full names of the attributes, each followed by a zero byte, as listxattr(2) returns them.
  func attributeNames() throws(Ext4Error) -> [UInt8] {
    var names: [UInt8] = []
    guard hasAttributes else { return names }
    func append(_ area: AttributeArea) {
      for entry in area.entries {
        guard let namespace = AttributeNamespace(rawValue: entry.fields.pointee.e_name_index),
          volume.shows(namespace)
        else { continue }
        let prefix = namespace.prefix
        names.append(
          contentsOf: UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))
        names.append(contentsOf: entry.name)
        names.append(0)
      }
    }
    if let body = try readBodyArea() { append(body) }
    if let block = try readAttributeBlock() { append(block.area) }
    return names
  }

  /// Gives up all that the attributes occupy outside of the inode, which is being freed: its block, and the
  /// inodes that hold values.
  func releaseAttributes() throws(Ext4Error) {
    guard hasAttributes else { return }
    if let block = try readAttributeBlock() { try release(block) }
    if let body = try readBodyArea(), body.isInUse {
      let values = try valueInodes(in: body)
      memset(body.header, 0, body.size + MemoryLayout<UInt32>.size)
      try changeReferences(to: values, by: -1)
    }
    try store()
  }

  /// False when the inode certainly has no attributes.
  var hasAttributes: Bool { attributeBlock != nil || hasBodyAttributes }

  private func permittedName(
    _ fullName: UnsafePointer<CChar>
  ) throws(Ext4Error) -> AttributeName {
    let name = try AttributeName(fullName)
    guard volume.shows(name.namespace) else { throw .errno(.notSupported) }
    return name
  }
}

// What the functions above and the ACLs have in common: names are as on disk, values too.
extension Inode {
  /// The value on disk. ENODATA when there is none.
  func storedValue(of name: AttributeName) throws(Ext4Error) -> [UInt8] {
    if let body = try readBodyArea(), let entry = body.entry(named: name) {
      return try value(of: entry, in: body)
    }
    if let block = try readAttributeBlock(), let entry = block.area.entry(named: name) {
      return try value(of: entry, in: block.area)
    }
    throw .errno(.noData)
  }

  private func value(
    of entry: AttributeEntry, in area: AttributeArea
  ) throws(Ext4Error) -> [UInt8] {
    guard let inode = try valueInode(of: entry) else { return [UInt8](area.value(of: entry)) }
    return try readValue(of: entry, from: inode)
  }

  /// Sets `name` to `value`, or removes it when `value` is nil, and stores the inode. The body is preferred
  /// to the block (ext4_xattr_set_handle); an attribute never stands in both. Returns false, with nothing
  /// done, when the value is the same already.
  func change(
    _ name: AttributeName, to value: UnsafeRawBufferPointer?, _ mode: AttributeMode
  ) throws(Ext4Error) -> Bool {
    try requireStorable()
    let body = try readBodyArea()
    let block = try readAttributeBlock()
    let bodyEntry = body?.entry(named: name)
    let blockEntry = block?.area.entry(named: name)
    if bodyEntry != nil || blockEntry != nil {
      if mode == .create { throw .errno(.fileExists) }
    } else if mode == .replace {
      throw .errno(.noData)
    } else if value == nil {
      return false
    }
    let droppedBlocks = valueBlocks(of: bodyEntry) + valueBlocks(of: blockEntry)
    guard let value else {
      if blockEntry != nil { try changeBlock(block, name, to: nil) }
      if let body, bodyEntry != nil { try changeBody(body, name, to: nil) }
      try finishChange(droppedBlocks)
      return true
    }
    if let body, let bodyEntry, blockEntry == nil, body.holds(value, in: bodyEntry) { return false }
    if let block, let blockEntry, bodyEntry == nil, block.area.holds(value, in: blockEntry) {
      return false
    }
    var isStored = false
    for usesInode in volume.valuePlacements(ofSize: value.count) where !isStored {
      let hasRoom = (
        body: body?.hasRoom(for: name, valueSize: usesInode ? 0 : value.count) ?? false,
        block: volume.hasRoom(in: block, for: name, valueSize: usesInode ? 0 : value.count)
      )
      guard hasRoom.body || hasRoom.block else { continue }
      try withContent(value, inInode: usesInode) { content throws(Ext4Error) in
        if let body, hasRoom.body {
          // The block first: that can fail, and then nothing has changed.
          if blockEntry != nil { try changeBlock(block, name, to: nil) }
          try changeBody(body, name, to: content)
        } else {
          try changeBlock(block, name, to: content)
          if let body, bodyEntry != nil { try changeBody(body, name, to: nil) }
        }
        if content.valueInode != nil { addBlocks(volume.blocks(forValueOf: value.count)) }
      }
      isStored = true
    }
    guard isStored else { throw .errno(.noSpace) }
    try finishChange(droppedBlocks)
    return true
  }

  private func finishChange(_ droppedBlocks: UInt64) throws(Ext4Error) {
    removeBlocks(droppedBlocks)
    try store()
    guard !volume.superblock.has(.extendedAttributes) else { return }
    volume.superblock.set(.extendedAttributes)
    volume.superblock.markDirty()
  }

  func changeBlock(
    _ block: AttributeBlock?, _ name: AttributeName, to value: AttributeContent?
  ) throws(Ext4Error) {
    let packed: PackedAttributes
    if let block {
      packed = try PackedAttributes(block.area, setting: name, to: value, of: self)
    } else {
      packed = try PackedAttributes(
        blockSize: volume.blockSize, holding: name, value: value, of: self)
    }
    try replace(block, with: packed, changed: name, value: value)
  }
}

extension AttributeArea {
  /// True when `entry` has exactly this value; a value in an inode is not looked at.
  fileprivate func holds(_ value: UnsafeRawBufferPointer, in entry: AttributeEntry) -> Bool {
    entry.valueInode == nil && entry.valueSize == value.count
      && (value.isEmpty
        || memcmp(self.value(of: entry).baseAddress!, value.baseAddress!, value.count) == 0)
  }
}

extension Volume {
  /// Whether an attribute block, or a new one, has room for a value. Where values can have inodes, a part of the block is left to
  /// entries (EXT4_XATTR_BLOCK_RESERVE).
  fileprivate func hasRoom(
    in block: AttributeBlock?, for name: AttributeName, valueSize: Int
  ) -> Bool {
    let reserve = features.incompatible.contains(.attributeInodes) ? min(blockSize / 8, 1024) : 0
    return block?.area.hasRoom(for: name, valueSize: valueSize, entryReserve: reserve)
      ?? AttributeBlock.hasRoom(
        for: name, valueSize: valueSize, blockSize: blockSize, entryReserve: reserve)
  }

  /// Whether the mount options let callers see attributes of this kind.
  func shows(_ namespace: AttributeNamespace) -> Bool {
    switch namespace {
    case .user, .hurd: options.userAttributes ?? true
    case .accessACL, .defaultACL: options.accessControlLists ?? true
    case .trusted, .security: true
    case .system: false
    }
  }
}
