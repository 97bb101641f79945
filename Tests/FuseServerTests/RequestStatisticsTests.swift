import FuseProtocol
import Glibc
import TestSupport
import Testing

@testable import FuseTransport

@Suite struct LatencyHistogramTests {
  /// Each bucket begins where the one before ends.
  @Test func bucketsCoverEveryTime() {
    for bucket in 0..<LatencyHistogram.bucketCount - 1 {
      guard let bound = LatencyHistogram.bound(of: bucket) else {
        Issue.record("bucket \(bucket) has no bound")
        continue
      }
      #expect(LatencyHistogram.bucket(of: bound - 1) == bucket)
      #expect(LatencyHistogram.bucket(of: bound) == bucket + 1)
    }
    #expect(LatencyHistogram.bound(of: LatencyHistogram.bucketCount - 1) == nil)
    #expect(LatencyHistogram.bucket(of: 0) == 0)
    #expect(LatencyHistogram.bucket(of: .max) == LatencyHistogram.bucketCount - 1)
  }

  /// No step is longer than a quarter of where it begins, so that a bound says a time to a quarter.
  @Test func stepsAreAQuarter() {
    for bucket in 1..<LatencyHistogram.bucketCount - 1 {
      guard let low = LatencyHistogram.bound(of: bucket - 1),
        let high = LatencyHistogram.bound(of: bucket)
      else { continue }
      #expect((high - low) * 4 <= low)
    }
  }

  @Test func quantiles() {
    var histogram = LatencyHistogram()
    #expect(histogram.quantile(0.5) == nil)
    for time in 1...1000 as ClosedRange<UInt64> { histogram.add(time * 1000) }
    #expect(histogram.total == 1000)
    for (share, exact) in [(0.5, 500_000.0), (0.99, 990_000), (1, 1_000_000)] {
      guard let found = histogram.quantile(share).map({ Double($0) }) else {
        Issue.record("no quantile \(share)")
        continue
      }
      #expect(found >= exact && found <= exact * 1.25, "\(share): \(found)")
    }
    histogram.add(1 << 40)
    #expect(histogram.quantile(1) == nil)
    #expect(histogram.count(below: 1 << 20) == 1000)
    #expect(histogram.count(below: 1 << 37) == 1000)
  }
}

@Suite struct RequestClockTests {
  /// The processor's counter and the system's clock agree to a hundredth over some milliseconds.
  @Test func theBestClockTellsTheTime() {
    let clock = RequestClock.best
    // Another process may run between two readings; then the next try counts.
    let errors = (0..<5).map { _ in
      let (first, start) = (RequestClock.system.now, clock.now)
      usleep(5000)
      let (end, last) = (clock.now, RequestClock.system.now)
      return abs(Double(clock.nanoseconds(from: start, to: end)) / Double(last - first) - 1)
    }
    #expect(errors.contains { $0 < 0.01 }, "\(errors)")
    #expect(clock.nanoseconds(from: 10, to: 5) == 0)
    // A difference whose product with the scale has more than 64 bits.
    #expect(RequestClock.system.nanoseconds(from: 0, to: 1 << 50) == 1 << 50)
  }
}

@Suite struct RequestStatisticsTests {
  private func find(_ name: String, in statistics: RequestStatistics) -> OperationStatistics? {
    statistics.operations.first { $0.name == name }
  }

  @Test func eachOperationHasARowOfItsOwn() {
    let rows = Opcode.allCases.map { OperationRow($0).index }
    #expect(Set(rows).count == Opcode.allCases.count)
    #expect(rows.allSatisfy { (1..<OperationRow.count).contains($0) })
    for unknown in [0, 56, 4088, 4096, UInt32.max] as [UInt32] {
      #expect(OperationRow.names[OperationRow(rawOpcode: unknown).index] == "UNKNOWN")
    }
  }

  @Test func countsErrorsAndBytes() {
    let statistics = RequestStatistics()
    #expect(statistics.operations.isEmpty)
    let data = [UInt8](repeating: 1, count: 100)
    data.withUnsafeBytes { data in
      statistics.answered(statistics.received(Opcode.read.rawValue), data)
      statistics.answered(statistics.received(Opcode.getxattr.rawValue), data)
    }
    for count in [4096, 512] as [UInt32] {
      let request = statistics.received(Opcode.write.rawValue)
      withUnsafeBytes(of: (count, UInt32(0))) { statistics.answered(request, $0) }
    }
    let copy = statistics.received(Opcode.copyFileRange64.rawValue)
    withUnsafeBytes(of: UInt64(5) << 32) { statistics.answered(copy, $0) }
    statistics.answered(statistics.received(Opcode.lookup.rawValue), error: -ENOENT)
    statistics.answered(statistics.received(Opcode.lookup.rawValue))
    // Too short for a number of bytes.
    withUnsafeBytes(of: UInt16(7)) {
      statistics.answered(statistics.received(Opcode.write.rawValue), $0)
    }
    #expect(find("READ", in: statistics)?.bytes == 100)
    #expect(find("GETXATTR", in: statistics)?.bytes == 0)
    #expect(find("WRITE", in: statistics)?.bytes == 4608)
    #expect(find("WRITE", in: statistics)?.count == 3)
    #expect(find("COPY_FILE_RANGE_64", in: statistics)?.bytes == 5 << 32)
    #expect(find("LOOKUP", in: statistics)?.count == 2)
    #expect(find("LOOKUP", in: statistics)?.errors == 1)
    #expect(statistics.operations.count == 5)
  }

  @Test func aRequestTakesTheTimeUntilItsReply() throws {
    let statistics = RequestStatistics()
    let request = statistics.received(Opcode.fsync.rawValue)
    usleep(20_000)
    statistics.answered(request)
    statistics.answered(statistics.received(Opcode.fsync.rawValue))
    let found = try #require(find("FSYNC", in: statistics))
    #expect(found.count == 2)
    #expect(found.longest >= 19_000_000)
    #expect(found.time >= found.longest)
    #expect(found.quantile(1) == found.longest)
    #expect(found.quantile(0.5) < 10_000_000)
  }

  @Test func waitsBelongToTheNextReply() throws {
    let statistics = RequestStatistics()
    statistics.enter()
    let request = statistics.received(Opcode.unlink.rawValue)
    RequestStatistics.noteWait(for: .lock, 300)
    RequestStatistics.noteWait(for: .device, 40)
    RequestStatistics.noteWait(for: .device, 2)
    statistics.answered(request)
    statistics.answered(statistics.received(Opcode.mkdir.rawValue))
    let unlink = try #require(find("UNLINK", in: statistics))
    #expect(unlink.lockTime == 300)
    #expect(unlink.deviceTime == 42)
    let mkdir = try #require(find("MKDIR", in: statistics))
    #expect(mkdir.lockTime == 0 && mkdir.deviceTime == 0)
  }

  /// Nothing is lost when threads count at once, are read meanwhile, and end.
  @Test func threadsThatEndStayCounted() throws {
    let statistics = RequestStatistics()
    let perThread = 10_000
    for _ in 0..<3 {
      let threads = (0..<4).compactMap { _ in
        OwnedThread {
          for number in 0..<perThread {
            let request = statistics.received(Opcode.getattr.rawValue)
            statistics.answered(request, error: number % 10 == 0 ? -EIO : 0)
          }
        }
      }
      #expect(threads.count == 4)
      for _ in 0..<20 { _ = statistics.operations }
      for thread in threads { thread.join() }
    }
    let found = try #require(find("GETATTR", in: statistics))
    #expect(found.count == 12 * UInt64(perThread))
    #expect(found.errors == 12 * UInt64(perThread) / 10)
  }

  /// One thread may serve one session after the other, as in tests, and both at once.
  @Test func sessionsCountApart() {
    let first = RequestStatistics()
    do {
      let second = RequestStatistics()
      for _ in 0..<3 {
        first.answered(first.received(Opcode.statfs.rawValue))
        second.answered(second.received(Opcode.rmdir.rawValue))
      }
      #expect(second.operations.map(\.name) == ["RMDIR"])
      #expect(second.operations.first?.count == 3)
    }
    // The cells of one that is gone.
    first.answered(first.received(Opcode.statfs.rawValue))
    #expect(first.operations.map(\.name) == ["STATFS"])
    #expect(first.operations.first?.count == 4)
  }
}
