import Ext4
import FuseServer
import Glibc
import SystemPackage

extension Ext4Operations {
  func control(_ node: NodeID, _ request: ControlRequest) throws(Errno) -> [UInt8] {
    guard let command = ControlCommand(rawValue: request.command) else {
      return try attempt { () throws(Ext4Error) in
        try FlagControl(
          command: request.command, input: request.input, outputCapacity: request.outputCapacity
        ).carryOut(
          on: try inode(node), maySwitchJournaling: privilege.takesResources(request.caller))
      }
    }
    if command == .shutDown {
      try shutDown(request)
      return []
    }
    return try attempt { () throws(Ext4Error) in
      try carryOut(command, request, on: try inode(node))
    }
  }

  private func carryOut(
    _ command: ControlCommand, _ request: ControlRequest, on inode: Inode
  ) throws(Ext4Error) -> [UInt8] {
    switch command {
    case .getVersion, .getVersion32, .getExt4Version:
      // An `int`, whatever the command's number says of its size.
      return try request.answer(inode.status().generation)
    case .setVersion, .setVersion32, .setExt4Version:
      let owner = ownerOverride.attributes(inode.status()).userID
      guard privilege.owns(owner, request.caller) else { throw .errno(.notPermitted) }
      try inode.setGeneration(try request.value())
    case .getLabel:
      // With a zero behind it, always.
      let label = volume.label
      return try request.answer(bytes: label + [UInt8](repeating: 0, count: 17 - label.count))
    case .setLabel:
      try requireAdministrator(request)
      try volume.setLabel(request.input.prefix { $0 != 0 })
    case .getUUID:
      // struct fsuuid2: a length, and the bytes.
      return try request.answer(bytes: [16] + volume.uuid)
    case .trim:
      try requireAdministrator(request)
      return try trim(request)
    case .precacheExtents:
      try inode.loadAllMappings()
    case .checkpoint:
      try requireAdministrator(request)
      try checkpoint(flags: try request.value())
    case .shutDown:
      break
    }
    return []
  }

  private func requireAdministrator(_ request: ControlRequest) throws(Ext4Error) {
    guard privilege.administers(request.caller) else { throw .errno(.notPermitted) }
  }

  /// `struct fstrim_range`: start, len, minlen, all u64 and in bytes. It goes back with the bytes that were trimmed in `len`.
  private func trim(_ request: ControlRequest) throws(Ext4Error) -> [UInt8] {
    guard request.input.count >= 24, request.outputCapacity >= 24 else {
      throw .errno(.invalidArgument)
    }
    func field(_ index: Int) -> UInt64 {
      request.input.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self)
    }
    let trimmed = try volume.trim(start: field(0), length: field(1), minimumLength: field(2))
    var answer = Array(request.input[..<24])
    answer.withUnsafeMutableBytes { $0.storeBytes(of: trimmed, toByteOffset: 8, as: UInt64.self) }
    return answer
  }

  /// EXT4_IOC_CHECKPOINT_FLAG_*: 1 and 2 would have the journal's blocks discarded or zeroed, 4 only asks.
  private func checkpoint(flags: UInt32) throws(Ext4Error) {
    guard flags & ~7 == 0, flags & 3 != 3 else { throw .errno(.invalidArgument) }
    guard volume.hasJournal else { throw .errno(Errno(rawValue: ENODEV)) }
    guard flags & 4 == 0 else { return }
    try volume.synchronize()
    switch flags & 3 {
    case 1: try volume.eraseJournal(.discard)
    case 2: try volume.eraseJournal(.zeros)
    default: try volume.checkpoint()
    }
  }
}

extension ControlRequest {
  /// EINVAL where the kernel has no room for it.
  fileprivate func answer(_ value: UInt32) throws(Ext4Error) -> [UInt8] {
    try answer(bytes: withUnsafeBytes(of: value) { Array($0) })
  }

  fileprivate func answer(bytes: [UInt8]) throws(Ext4Error) -> [UInt8] {
    guard outputCapacity >= bytes.count else { throw .errno(.invalidArgument) }
    return bytes
  }

  fileprivate func value() throws(Ext4Error) -> UInt32 {
    guard input.count >= 4 else { throw .errno(.invalidArgument) }
    return input.loadUnaligned(as: UInt32.self)
  }
}
