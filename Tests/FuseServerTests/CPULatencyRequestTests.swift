import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import FuseTransport

/// What is wished for of processors, read back from a file in the place of the device.
@Suite struct CPULatencyRequestTests {
  private func wishes(
    isWanted: Bool = true, _ body: (CPULatencyRequest) -> Void
  ) throws -> [Int32] {
    try Scratch.with { scratch in
      let path = scratch.appending("device")
      try Syscall.close(try Syscall.open(path, O_CREAT | O_RDWR))
      body(CPULatencyRequest(isWanted: isWanted, path: path.string))
      let bytes = try Syscall.withOpen(path, O_RDONLY) { (file) throws(Errno) in
        try Syscall.read(file, count: 4096, at: 0)
      }
      return bytes.withUnsafeBytes { Array($0.bindMemory(to: Int32.self)) }
    }
  }

  private let any: Int32 = 2_000_000_000

  @Test func nothingBesideAtFirst() throws {
    #expect(try wishes { _ in } == [any])
  }

  @Test func awakeForBusyPrograms() throws {
    let wished = try wishes { wakefulness in
      for _ in 0..<100 { wakefulness.noteRequest(afterSleeping: 20_000) }
      #expect(wakefulness.isHeld)
      wakefulness.release()
      wakefulness.release()
      #expect(!wakefulness.isHeld)
    }
    #expect(wished == [any, 0, any])
  }

  @Test func asleepForOthers() throws {
    let wished = try wishes { wakefulness in
      for index in 0..<1000 {
        wakefulness.noteRequest(afterSleeping: index % 20 == 0 ? 10_000_000 : 20_000)
      }
      #expect(!wakefulness.isHeld)
    }
    #expect(wished == [any])
  }

  @Test func notWanted() throws {
    let wished = try wishes(isWanted: false) { wakefulness in
      for _ in 0..<100 { wakefulness.noteRequest(afterSleeping: nil) }
      #expect(!wakefulness.isHeld)
    }
    #expect(wished.isEmpty)
  }

  /// As for ordinary users, who may not open it.
  @Test func noDevice() {
    let wakefulness = CPULatencyRequest(isWanted: true, path: "/nowhere/at/all")
    for _ in 0..<100 { wakefulness.noteRequest(afterSleeping: nil) }
    #expect(!wakefulness.isHeld)
    wakefulness.release()
  }
}
