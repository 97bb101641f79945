import CFuse3
import FuseProtocol
import Glibc
import SystemPackage

extension OperationTable {
  static func addAttributes(to table: inout fuse_lowlevel_ops) {
    table.getattr = { request, node, file in
      Answer.attributes(request) { (operations) throws(Errno) in
        // FUSE_GETATTR_FH: for stat and fstat the kernel does not name a handle.
        try operations.attributes(of: NodeID(node), beforeWrite: file != nil)
      }
    }
    table.setattr = { request, node, values, valid, _ in
      Answer.attributes(request) { (operations) throws(Errno) in
        guard let values else { throw .invalidArgument }
        return try operations.setAttributes(
          of: NodeID(node), to: AttributeRequest(values.pointee, valid), for: Caller(of: request))
      }
    }
    table.getxattr = { request, node, name, size in
      Answer.call(request) { (operations) throws(Errno) in
        try operations.extendedAttribute(name!, of: NodeID(node))
      } reply: { value in
        Answer.sized(request, value, capacity: size)
      }
    }
    table.listxattr = { request, node, size in
      Answer.call(request) { (operations) throws(Errno) in
        try operations.extendedAttributeNames(of: NodeID(node), for: Caller(of: request))
      } reply: { names in
        Answer.sized(request, names, capacity: size)
      }
    }
    table.setxattr = { request, node, name, value, size, flags in
      Answer.call(request) { (operations) throws(Errno) in
        try operations.setExtendedAttribute(
          name!, of: NodeID(node),
          to: UnsafeRawBufferPointer(start: value, count: size), flags: flags,
          for: Caller(of: request))
      }
    }
    table.removexattr = { request, node, name in
      Answer.call(request) { (operations) throws(Errno) in
        try operations.removeExtendedAttribute(name!, of: NodeID(node))
      }
    }
    table.ioctl = { request, node, command, argument, _, _, input, inputSize, outputSize in
      Answer.call(request) { (operations) throws(Errno) in
        try operations.control(
          NodeID(node),
          ControlRequest(
            command: UInt32(truncatingIfNeeded: command),
            argument: UInt64(UInt(bitPattern: argument)),
            input: UnsafeRawBufferPointer(start: input, count: inputSize),
            outputCapacity: outputSize, caller: Caller(of: request)))
      } reply: { output in
        _ = output.withUnsafeBytes { fuse_reply_ioctl(request, 0, $0.baseAddress, $0.count) }
      }
    }
  }
}

extension AttributeRequest {
  /// FATTR_* as libfuse passes them on, and the one that it does not.
  init(_ values: stat, _ valid: CInt) {
    self.init()
    func has(_ flag: CInt) -> Bool { valid & flag != 0 }
    if has(FUSE_SET_ATTR_MODE) { mode = values.st_mode }
    if has(FUSE_SET_ATTR_UID) { userID = values.st_uid }
    if has(FUSE_SET_ATTR_GID) { groupID = values.st_gid }
    if has(FUSE_SET_ATTR_SIZE) { size = UInt64(bitPattern: Int64(values.st_size)) }
    if has(FUSE_SET_ATTR_ATIME) { accessTime = .at(values.st_atim) }
    if has(FUSE_SET_ATTR_MTIME) { modificationTime = .at(values.st_mtim) }
    if has(FUSE_SET_ATTR_ATIME_NOW) { accessTime = .now }
    if has(FUSE_SET_ATTR_MTIME_NOW) { modificationTime = .now }
    if has(FUSE_SET_ATTR_CTIME) { changeTime = values.st_ctim }
    if Worker.serving.header.opcode == .setattr,
      let request = try? Request.SetAttributes(Worker.serving.payload, of: .setattr, .layout)
    {
      clearsSetID = request.selection.contains(.killSetID)
    }
  }
}
