extension Reply {
  /// `struct fuse_entry_out` and `struct fuse_open_out`: to CREATE and TMPFILE.
  public struct Create: ReplyArguments {
    public var entry: Entry
    public var open: Open

    @inlinable
    public init(entry: Entry, open: Open) {
      self.entry = entry
      self.open = open
    }

    @inlinable
    public static func size(at minor: UInt32) -> Int {
      Entry.size(at: minor) + Open.size(at: minor)
    }

    @inlinable
    public func encode(into memory: UnsafeMutableRawBufferPointer, at minor: UInt32) {
      entry.encode(into: memory, at: minor)
      open.encode(into: memory.from(Entry.size(at: minor)), at: minor)
    }

    public init?(_ payload: UnsafeRawBufferPointer, at minor: UInt32) {
      guard payload.count == Self.size(at: minor) else { return nil }
      let place = Entry.size(at: minor)
      guard let entry = Entry(UnsafeRawBufferPointer(rebasing: payload[..<place]), at: minor),
        let open = Open(UnsafeRawBufferPointer(rebasing: payload[place...]), at: minor)
      else { return nil }
      self.entry = entry
      self.open = open
    }
  }
}
