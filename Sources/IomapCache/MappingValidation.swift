/// The kernel's own checks, in its order, so that a server learns in its tests what it would learn from
/// EUCLEAN.
extension MappingPair {
  /// Judges the pair as the answer to a BEGIN at `position` (fuse-iomap ABI 4.3.2).
  /// - Parameters:
  ///   - operation: decides whether the write half's device counts.
  ///   - hasCache: whether an UPSERT has ever succeeded for the inode; rule 2 of v7.
  ///   - isRegistered: whether the kernel gave out that cookie.
  public func validate(
    at position: FileOffset, for operation: IomapWire.Operation, _ limits: MappingLimits,
    _ revision: IomapRevision = .v7, hasCache: Bool,
    isRegistered: (DeviceCookie) -> Bool
  ) throws(MappingFlaw) {
    if read.kind == .retryCache, revision.refusesRetryWithoutCache, !hasCache {
      throw .retryWithoutCache
    }
    try read.validate(as: .read, limits)
    guard write.kind != .retryCache else { throw .retryForWrites }
    try write.validate(as: .write, limits)
    guard read.kind != .noCache, write.kind != .noCache else { throw .noCacheInReply }
    guard read.covers(position), write.covers(position) else { throw .notCovering }
    guard read.kind != .retryCache else { return }
    if read.kind.hasBlocks, !isRegistered(read.device) { throw .unknownDevice }
    if operation.isWriteClass, write.kind.hasBlocks, !isRegistered(write.device) {
      throw .unknownDevice
    }
  }
}

extension Mapping {
  /// Which half of a pair a mapping is.
  public enum Half: Hashable, Sendable { case read, write }

  /// Judges the mapping by rules 3 to 7 alone, which hold in a BEGIN reply and in an UPSERT. RETRY_CACHE
  /// and NOCACHE pass unseen: what they may stand in is a matter of the message (fuse-iomap ABI 4.3.2,
  /// rules 2 and 8).
  public func validate(as half: Half, _ limits: MappingLimits) throws(MappingFlaw) {
    guard kind != .retryCache, kind != .noCache else { return }
    guard flags.isSubset(of: .sendable) else { throw .unsendableFlags }
    guard length != 0 else { throw .empty }
    guard limits.isAligned(offset.rawValue) else { throw .misalignedOffset }
    guard limits.isAligned(length) else { throw .misalignedLength }
    guard !offset.rawValue.addingReportingOverflow(length).overflow else { throw .endOverflow }
    guard offset.rawValue < limits.maximumBytes else { throw .beyondMaximumBytes }
    try validatePlace(as: half)
    if address != .null, address.rawValue.addingReportingOverflow(length).overflow {
      throw .addressOverflow
    }
  }

  /// Rule 6.
  private func validatePlace(as half: Half) throws(MappingFlaw) {
    switch kind {
    case .mapped, .unwritten:
      guard device != .none else { throw .noDevice }
      guard address != .null else { throw .noAddress }
    case .hole, .delalloc, .inline:
      guard device == .none else { throw .needlessDevice }
      guard address == .null else { throw .needlessAddress }
    case .pureOverwrite:
      guard half == .write else { throw .pureOverwriteForReads }
    case .noCache, .retryCache:
      break
    }
  }

  /// Judges the mapping as a half of an UPSERT (fuse-iomap ABI 5.3).
  /// - Parameter deviceSize: the size in bytes of a registered device, 0 of one that is gone, nil of one unknown.
  public func validateForUpsert(
    as half: Half, _ limits: MappingLimits, deviceSize: (DeviceCookie) -> UInt64?
  ) throws(MappingFlaw) {
    guard kind != .retryCache else { throw .retryInUpsert }
    guard kind != .noCache else { return }
    try validate(as: half, limits)
    guard let size = device == .none ? nil : deviceSize(device) else {
      if kind.hasBlocks { throw .unknownDevice }
      guard address == .null else { throw .addressWithoutDevice }
      return
    }
    guard address != .null else { throw .deviceWithoutAddress }
    guard size != 0 else { throw .deviceGone }
    guard address.rawValue + length <= size else { throw .beyondDevice }
  }
}

extension InvalidationRange {
  /// Whether the kernel takes the range, or answers EUCLEAN (fuse-iomap ABI 5.4). With a length of 0 it
  /// does not look.
  public func isAcceptable(_ limits: MappingLimits) -> Bool {
    guard length != 0 else { return true }
    return offset.rawValue < limits.maximumBytes && limits.isAligned(offset.rawValue)
      && (length == IomapWire.toEndOfFile || limits.isAligned(length))
  }
}
