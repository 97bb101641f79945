import IomapCache

extension Notification {
  /// A notification in one line; data by its size. Nil when `message` is none.
  public static func text(_ message: UnsafeRawBufferPointer) -> String? {
    guard let header = ReplyHeader(message), header.unique == 0,
      let code = NotificationCode(rawValue: header.error)
    else { return nil }
    let payload = UnsafeRawBufferPointer(rebasing: message[ReplyHeader.size...])
    let text: String? =
      switch code {
      case .poll: Poll(payload).map { "kernel handle \($0.kernelHandle)" }
      case .invalidateInode:
        InvalidateInode(payload).map { "node \($0.nodeID), \(Self.range($0))" }
      case .invalidateEntry:
        InvalidateEntry(payload).map { "\(EscapedText.of($0.name)) in node \($0.parent)" }
      case .store:
        Store(payload).map { "node \($0.nodeID), \(Numbers.range($0.data.count, at: $0.offset))" }
      case .retrieve:
        Retrieve(payload).map { "node \($0.nodeID), \(Numbers.range($0.size, at: $0.offset))" }
      case .delete:
        Delete(payload).map {
          "\(EscapedText.of($0.name)) in node \($0.parent), node \($0.child)"
        }
      case .resend, .incrementEpoch: ""
      case .prune: Prune(payload).map { "\($0.nodeIDs.count / 8) nodes" }
      case .iomapUpsert:
        IomapWire.UpsertNotification(payload).map {
          "node \($0.node.nodeID), read \(MappingText.of($0.read)); write \(MappingText.of($0.write))"
        }
      case .iomapInvalidation:
        IomapWire.InvalidationNotification(payload).map { notification in
          let ranges = [("read", notification.read), ("write", notification.write)].compactMap {
            kind, range in
            range.map { "\(kind) \(Numbers.range($0.length, at: $0.offset.rawValue))" }
          }
          return "node \(notification.node.nodeID), \(ranges.joined(separator: ", "))"
        }
      case .iomapDeviceInvalidation:
        IomapWire.DeviceInvalidationNotification(payload).map {
          "device \($0.device.rawValue), \(Numbers.range($0.length, at: $0.offset.rawValue))"
        }
      }
    return "\(code.name) \(text ?? Numbers.bytes(payload.count))"
  }

  private static func range(_ invalidation: InvalidateInode) -> String {
    if invalidation.offset < 0 { return "attributes" }
    return invalidation.length == 0
      ? "all from \(invalidation.offset) on"
      : Numbers.range(invalidation.length, at: invalidation.offset)
  }
}
