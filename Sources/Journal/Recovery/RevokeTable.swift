/// Which copies of a block in the log must not go home: those up to the last transaction that revoked it.
struct RevokeTable {
  private var last: [UInt64: UInt32] = [:]

  var count: Int { last.count }

  mutating func revoke(_ block: BlockNumber, by sequence: UInt32) {
    if let known = last[block.rawValue], !TransactionID.isLater(sequence, than: known) { return }
    last[block.rawValue] = sequence
  }

  func covers(_ block: BlockNumber, of sequence: UInt32) -> Bool {
    guard let known = last[block.rawValue] else { return false }
    return !TransactionID.isLater(sequence, than: known)
  }
}
