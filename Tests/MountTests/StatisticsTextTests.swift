import Testing

@testable import fuse4fs

/// How numbers and texts are written in reports.
@Suite struct StatisticsTextTests {
  @Test func json() {
    let value = JSONValue.object([
      ("a\"b", .list([.number(.max), .null, .thousandths(1), .thousandths(12_345)])),
      ("text", .text("back\\slash \u{1}\n\u{7F} µ")),
    ])
    let expected =
      #"{"a\"b":[18446744073709551615,null,0.001,12.345],"text":"back\\slash \u0001\u000a\u007f µ"}"#
    #expect(value.description == expected)
  }

  @Test func prometheus() {
    var text = PrometheusText(common: [("source", "a\"b\\c\nd")])
    text.begin("name_total", .counter, "Help.")
    text.sample("name_total", [("for", "x")], 5)
    text.sample("name_total", [], nanoseconds: 1_000_000_007)
    let expected = #"""
      # HELP name_total Help.
      # TYPE name_total counter
      name_total{source="a\"b\\c\nd",for="x"} 5
      name_total{source="a\"b\\c\nd"} 1.000000007

      """#
    #expect(text.text == expected)
  }

  @Test(
    arguments: [
      (0, "0"), (7, "7 ns"), (999, "999 ns"), (1000, "1.00 µs"), (9_994, "9.99 µs"),
      (9_996, "10.0 µs"), (99_960, "100 µs"), (1_500_000, "1.50 ms"), (61_000_000_000, "61.0 s"),
    ] as [(UInt64, String)])
  func times(nanoseconds: UInt64, text: String) {
    #expect(ReadableQuantity.time(nanoseconds) == text)
  }

  @Test(
    arguments: [
      (0, "0"), (1023, "1023 B"), (1024, "1.00 KiB"), (1536 << 10, "1.50 MiB"),
      (.max, "16.0 EiB"),
    ] as [(UInt64, String)])
  func bytes(count: UInt64, text: String) {
    #expect(ReadableQuantity.bytes(count) == text)
  }

  @Test func shares() {
    #expect(ReadableQuantity.share(0, of: 0) == "-")
    #expect(ReadableQuantity.share(1, of: 3) == "33.3%")
    #expect(ReadableQuantity.share(3, of: 3) == "100.0%")
  }
}
