/// `valid` of SETATTR: the fields that are to be set (FATTR_*).
public struct AttributeSelection: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

  @inlinable public static var mode: Self { Self(rawValue: 1 << 0) }
  @inlinable public static var userID: Self { Self(rawValue: 1 << 1) }
  @inlinable public static var groupID: Self { Self(rawValue: 1 << 2) }
  @inlinable public static var size: Self { Self(rawValue: 1 << 3) }
  @inlinable public static var accessTime: Self { Self(rawValue: 1 << 4) }
  @inlinable public static var modificationTime: Self { Self(rawValue: 1 << 5) }
  /// `handle` counts. Since 7.3.
  @inlinable public static var handle: Self { Self(rawValue: 1 << 6) }
  /// To the time of the server. Since 7.9.
  @inlinable public static var accessTimeNow: Self { Self(rawValue: 1 << 7) }
  /// Since 7.9.
  @inlinable public static var modificationTimeNow: Self { Self(rawValue: 1 << 8) }
  /// `lockOwner` counts. Since 7.9.
  @inlinable public static var lockOwner: Self { Self(rawValue: 1 << 9) }
  /// Since 7.23.
  @inlinable public static var changeTime: Self { Self(rawValue: 1 << 10) }
  /// The server removes set-id bits. Since 7.33.
  @inlinable public static var killSetID: Self { Self(rawValue: 1 << 11) }
}
