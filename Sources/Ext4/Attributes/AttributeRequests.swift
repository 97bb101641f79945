import Glibc
import SystemPackage

// Extended attributes as requests want them: with the lock, the change time, and the checks that are left to the file system.
extension Inode {
  /// The value of the attribute with this full name. ENODATA when there is none.
  public func extendedAttribute(_ name: UnsafePointer<CChar>) throws(Ext4Error) -> [UInt8] {
    try volume.withMetadata { () throws(Ext4Error) in
      do throws(Ext4Error) {
        return try attribute(named: name)
      } catch .errno(.noData) {
        if strcmp(name, "security.capability") == 0 {
          mayHaveCapability.store(false, ordering: .relaxed)
        }
        throw .errno(.noData)
      }
    }
  }

  /// Sets an attribute. `keepsSetGroupID`: the caller that sets an ACL is privileged or in the file's group.
  public func setExtendedAttribute(
    _ name: UnsafePointer<CChar>, to value: UnsafeRawBufferPointer, _ mode: AttributeMode,
    keepsSetGroupID: (_ groupID: UInt32) -> Bool
  ) throws(Ext4Error) {
    try volume.requireWritable()
    try volume.change(credits: try credits(valueSize: value.count)) { () throws(Ext4Error) in
      try requireAttributesChangeable()
      try growExtraFields()
      let sectors = sectorCount
      defer { if sectorCount != sectors { hasNewBlocks.store(true, ordering: .releasing) } }
      let changed: Bool
      if strcmp(name, "system.posix_acl_access") == 0 {
        changed = try setAccessACL(value, clearSetGroupID: !keepsSetGroupID(groupID))
      } else {
        changed = try setAttribute(named: name, to: value, mode)
      }
      if changed { try noteAttributeChange() }
    }
  }

  public func removeExtendedAttribute(_ name: UnsafePointer<CChar>) throws(Ext4Error) {
    try volume.requireWritable()
    try volume.change(credits: try credits(valueSize: 0)) { () throws(Ext4Error) in
      try requireAttributesChangeable()
      let sectors = sectorCount
      defer { if sectorCount != sectors { hasNewBlocks.store(true, ordering: .releasing) } }
      if try removeAttribute(named: name) { try noteAttributeChange() }
    }
  }

  /// The full names, each ended by a NUL. Those of the "trusted" namespace are shown to privileged callers only.
  public func extendedAttributeNames(toPrivileged: Bool) throws(Ext4Error) -> [UInt8] {
    let names = try volume.withMetadata { () throws(Ext4Error) in try attributeNames() }
    if toPrivileged { return names }
    let shown = names.split(separator: 0).filter { !$0.starts(with: "trusted.".utf8) }
    return shown.flatMap { $0 + [0] }
  }

  private func credits(valueSize: Int) throws(Ext4Error) -> Int {
    try volume.withMetadata { () throws(Ext4Error) in
      try attributeCredits(valueSize: valueSize)
    }
  }

  private func noteAttributeChange() throws(Ext4Error) {
    foldWriteTime()
    noteChangeTime()
    try store()
  }
}
