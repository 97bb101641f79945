import FuseProtocol
import IomapCache
import Testing

@Suite struct RequestTests {
  @Test func everyOperationHasItsBytes() {
    #expect(Set(Golden.all.map(\.opcode)) == Set(Opcode.allCases))
  }

  @Test(arguments: Golden.all) func isDecoded(_ golden: Golden) throws {
    try golden.payload.withUnsafeBytes { bytes in
      try golden.check(try Request(golden.opcode, bytes, golden.negotiated))
    }
  }

  @Test(arguments: Golden.all) func whatIsCutOffIsAnError(_ golden: Golden) {
    for length in 0..<golden.payload.count {
      let error = Array(golden.payload[..<length]).withUnsafeBytes {
        decodingError(golden.opcode, $0, golden.negotiated)
      }
      if golden.shorterForms.contains(length) {
        #expect(error == nil)
      } else if golden.shorterForms.contains(where: { $0 < length }) {
        #expect(error != nil)
      } else {
        #expect(error?.flaw.isTruncation == true, "\(length) bytes")
        #expect(error?.opcode == golden.opcode.rawValue)
      }
    }
  }

  @Test(arguments: Golden.all) func whatIsTooLongIsAnError(_ golden: Golden) {
    for excess in [1, 2, 7, 8, 16, 4096] {
      let length = golden.payload.count + excess
      let error = (golden.payload + [UInt8](repeating: 0, count: excess)).withUnsafeBytes {
        decodingError(golden.opcode, $0, golden.negotiated)
      }
      #expect(
        (error == nil) == golden.isForm(length), "\(length) bytes: \(error?.description ?? "")")
      if excess == 1, !golden.isForm(length), golden.longerForms.isEmpty {
        #expect(error?.flaw == .excess(1))
      }
    }
  }

  /// Whatever the minor and the length, there is a request or an error; and never a request from more bytes than there are.
  @Test(arguments: Golden.all) func anyMinorAndLength(_ golden: Golden) {
    for minor in Array(0...NegotiatedProtocol.latestMinor) + [99] {
      for flags in [[], InitFlags.setxattrExtension] {
        for length in 0...golden.payload.count {
          // A copy of exactly its size.
          let error = Array(golden.payload[..<length]).withUnsafeBytes {
            decodingError(golden.opcode, $0, NegotiatedProtocol(minor: minor, flags: flags))
          }
          if case .truncated(let needed, let there) = error?.flaw { #expect(needed > there) }
        }
      }
    }
  }

  private func decodingError(
    _ opcode: Opcode, _ bytes: UnsafeRawBufferPointer, _ negotiated: NegotiatedProtocol
  ) -> DecodingError? {
    do throws(DecodingError) {
      _ = try Request(opcode, bytes, negotiated)
      return nil
    } catch {
      return error
    }
  }
}
