/// What follows the arguments of a request that makes a file: security contexts and supplementary groups. Since 7.36.
///
/// They refer to the memory of the request.
public struct RequestExtensions {
  /// `struct fuse_secctx_header` and what it counts; nil where there are none.
  public private(set) var securityContexts: SecurityContexts?
  /// `struct fuse_supp_groups`; nil where there are none.
  public private(set) var supplementaryGroups: SupplementaryGroups?

  /// FUSE_MAX_NR_SECCTX: the largest number that counts security contexts. Larger ones are types of extensions.
  static var maximumSecurityContexts: UInt32 { 31 }
  /// FUSE_EXT_GROUPS.
  static var groups: UInt32 { 32 }
  /// `struct fuse_ext_header`: size with this header, type.
  static var headerSize: Int { 8 }

  /// Checks all of `bytes`, extension after extension, each padded to 8 bytes. `extensionForm` for one that is too short for what it counts or that
  /// does not end within `bytes`; types that are not known are passed over.
  init(_ bytes: UnsafeRawBufferPointer, _ opcode: Opcode) throws(DecodingError) {
    var start = 0
    while start < bytes.count {
      let flaw = DecodingError(opcode: opcode.rawValue, .extensionForm(offset: start))
      let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
      guard rest.count >= Self.headerSize else { throw flaw }
      let size = Int(rest.field(0, as: UInt32.self))
      guard size >= Self.headerSize, size <= rest.count else { throw flaw }
      let body = UnsafeRawBufferPointer(rebasing: rest[Self.headerSize..<size])
      switch rest.field(4, as: UInt32.self) {
      case let count where count <= Self.maximumSecurityContexts:
        guard let contexts = SecurityContexts(body, count: Int(count)) else { throw flaw }
        securityContexts = contexts
      case Self.groups:
        guard let groups = SupplementaryGroups(body) else { throw flaw }
        supplementaryGroups = groups
      default: break
      }
      // The last one need not be padded.
      start += min((size + 7) & ~7, rest.count)
    }
  }
}
