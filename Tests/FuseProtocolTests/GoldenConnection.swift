import FuseProtocol
import Testing

extension Golden {
  /// Requests about the connection and the whole file system.
  static let connection: [Golden] = [
    Golden(
      .initialize,
      """
      major: 07 00 00 00
      minor: 2d 00 00 00
      max_readahead: 00 00 02 00
      flags: 01 00 00 40
      flags2: 00 02 00 00
      unused: 00 00 00 00 00 00 00 00 00 00 00
      unused: 00 00 00 00 00 00 00 00 00 00 00
      unused: 00 00 00 00 00 00 00 00 00 00 00
      unused: 00 00 00 00 00 00 00 00 00 00 00
      """, shorterForms: [8, 16]
    ) {
      guard case .initialize(let initialize) = $0 else { throw Mismatch() }
      #expect(initialize.major == 7 && initialize.minor == 45)
      #expect(initialize.maximumReadahead == 131_072)
      #expect(initialize.flags == [.asyncRead, .extended, .overIOUring])
    },
    Golden(
      .initialize,
      """
      major: 07 00 00 00
      minor: 1f 00 00 00
      max_readahead: 00 00 02 00
      flags: 09 00 00 00
      """, shorterForms: [8]
    ) {
      guard case .initialize(let initialize) = $0 else { throw Mismatch() }
      #expect(initialize.minor == 31 && initialize.flags == [.asyncRead, .atomicTruncate])
    },
    Golden(
      .initialize,
      """
      major: 08 00 00 00
      minor: 00 00 00 00
      """, longerForms: [16]
    ) {
      guard case .initialize(let initialize) = $0 else { throw Mismatch() }
      #expect(initialize.major == 8 && initialize.maximumReadahead == 0 && initialize.flags == [])
    },
    Golden(.destroy, "") { guard case .destroy = $0 else { throw Mismatch() } },
    Golden(.interrupt, "unique: 01 02 03 04 05 06 07 08") {
      guard case .interrupt(let interrupt) = $0 else { throw Mismatch() }
      #expect(interrupt.unique == 0x0807_0605_0403_0201)
    },
    Golden(.syncFileSystem, "padding: 00 00 00 00 00 00 00 00") {
      guard case .syncFileSystem = $0 else { throw Mismatch() }
    },
  ]
}
