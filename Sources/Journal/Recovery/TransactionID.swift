/// Numbers of transactions go round: which of two is later is decided by the shorter way (`tid_gt`).
enum TransactionID {
  static func isLater(_ a: UInt32, than b: UInt32) -> Bool { Int32(bitPattern: a &- b) > 0 }
}
