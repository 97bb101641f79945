import IomapCache
import Testing

@Suite struct MappingTests {
  let mapped = Mapping(
    offset: FileOffset(1000), length: 500, address: DeviceOffset(70_000), kind: .mapped)

  @Test func endsBehindItsLastByte() {
    #expect(mapped.end == FileOffset(1500))
    #expect(Mapping.hole(at: FileOffset(0), length: 1 << 63).end == FileOffset(1 << 63))
  }

  @Test func translatesPositions() {
    #expect(mapped.address(of: FileOffset(1000)) == DeviceOffset(70_000))
    #expect(mapped.address(of: FileOffset(1499)) == DeviceOffset(70_499))
  }

  @Test(
    arguments: [
      (0, 2000, 1000, 500),
      (1000, 1500, 1000, 500),
      (1200, 2000, 1200, 300),
      (0, 1001, 1000, 1),
      (1100, 1300, 1100, 200),
      (1499, 1 << 63, 1499, 1),
    ] as [(UInt64, UInt64, UInt64, UInt64)])
  func isClipped(from start: UInt64, to end: UInt64, offset: UInt64, length: UInt64) {
    let clipped = mapped.clipped(from: FileOffset(start), to: FileOffset(end))
    let expected = Mapping(
      offset: FileOffset(offset), length: length, address: DeviceOffset(69_000 + offset),
      kind: .mapped)
    #expect(clipped == expected)
  }

  @Test func clippedHoleHasNoAddressToMove() {
    let hole = Mapping.hole(at: FileOffset(1000), length: 500)
    #expect(
      hole.clipped(from: FileOffset(1100), to: FileOffset(1200))
        == Mapping.hole(at: FileOffset(1100), length: 100))
  }

  @Test func isContinuedOnlyByWhatFollowsInFileAndOnDevice() {
    func next(_ offset: UInt64, _ address: UInt64, _ kind: Mapping.Kind) -> Mapping {
      Mapping(
        offset: FileOffset(offset), length: 10, address: DeviceOffset(address), kind: kind)
    }
    #expect(mapped.isContinued(by: next(1500, 70_500, .mapped)))
    #expect(!mapped.isContinued(by: next(1501, 70_501, .mapped)))
    #expect(!mapped.isContinued(by: next(1499, 70_500, .mapped)))
    #expect(!mapped.isContinued(by: next(1500, 70_501, .mapped)))
    #expect(!mapped.isContinued(by: next(1500, 70_500, .unwritten)))
    #expect(!mapped.isContinued(by: next(1500, 70_500, .hole)))
    #expect(!next(0, 0, .mapped).isContinued(by: next(20, 10, .mapped)))
  }

  @Test func holesContinueEachOtherWhateverTheirAddress() {
    var second = Mapping.hole(at: FileOffset(100), length: 5)
    second.address = DeviceOffset(12_345)
    #expect(Mapping.hole(at: FileOffset(0), length: 100).isContinued(by: second))
  }
}
