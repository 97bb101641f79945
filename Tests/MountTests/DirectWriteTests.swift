import CLinux
import Foundation
import Synchronization
import SystemPackage
import TestSupport
import Testing

extension RealMounts {
  /// Asynchronous direct writes, while others read the file through the page cache.
  @Suite struct DirectWriteTests {
    /// Writes that are under way at the same time, each from a buffer of its own.
    private final class Queue {
      private var context = aio_context_t()
      private let file: CInt
      private let size: Int
      private let buffers: [UnsafeMutableRawBufferPointer]

      init(_ file: CInt, depth: Int, size: Int) throws {
        self.file = file
        self.size = size
        buffers = (0..<depth).map { _ in .allocate(byteCount: size, alignment: 4096) }
        guard clinux_aio_begin(UInt32(depth), &context) == 0 else { throw Errno(rawValue: errno) }
      }

      deinit {
        clinux_aio_end(context)
        for buffer in buffers { buffer.deallocate() }
      }

      func begin(_ slot: Int, filledWith byte: UInt8, at offset: Int) throws {
        memset(buffers[slot].baseAddress!, CInt(byte), size)
        let code = clinux_aio_write(
          context, file, buffers[slot].baseAddress, size, off_t(offset), UInt64(slot))
        guard code == 1 else { throw Errno(rawValue: errno) }
      }

      /// The slot of a write that is complete.
      func wait() throws -> Int {
        var slot: UInt64 = 0
        var result: Int64 = 0
        guard clinux_aio_wait(context, &slot, &result) == 1 else { throw Errno(rawValue: errno) }
        guard result == size else { throw Failure("a write returned \(result)") }
        return Int(slot)
      }
    }

    /// Reads the file again and again on threads of its own while `body` runs.
    private func whileOthersRead(
      _ path: FilePath, threads: Int, size: Int, _ body: () throws -> Void
    ) throws {
      let isDone = Mutex(false)
      let group = DispatchGroup()
      try withExtendedLifetime(isDone) {
        let readers = (0..<threads).map { _ in
          Thread {
            while !isDone.withLock({ $0 }) {
              _ = try? Syscall.withOpen(path, O_RDONLY) { (file) throws(Errno) in
                try Syscall.read(file, count: size, at: 0)
              }
            }
            group.leave()
          }
        }
        for reader in readers {
          group.enter()
          reader.start()
        }
        defer {
          isDone.withLock { $0 = true }
          group.wait()
        }
        try body()
      }
    }

    private func firstOther(than byte: UInt8, in bytes: [UInt8]) -> Int? {
      bytes.firstIndex { $0 != byte }
    }

    /// What is written is what the next read finds, also one through the page cache.
    @Test(arguments: [4096, 640 << 10]) func noReadIsStale(size: Int) throws {
      try onMount { root in
        let path = root.appending("file")
        try path.write([UInt8](repeating: 0, count: size))
        let file = try Syscall.open(path, O_RDWR | clinux_o_direct())
        defer { close(file) }
        let cached = try Syscall.open(path, O_RDONLY)
        defer { close(cached) }
        let queue = try Queue(file, depth: 1, size: size)
        try whileOthersRead(path, threads: 3, size: size) {
          let end = Date(timeIntervalSinceNow: 3)
          var round = 0
          while Date() < end {
            round += 1
            let byte = UInt8(truncatingIfNeeded: round)
            try queue.begin(0, filledWith: byte, at: 0)
            _ = try queue.wait()
            let found = try Syscall.read(cached, count: size, at: 0)
            if let place = firstOther(than: byte, in: found) {
              throw Failure("round \(round): byte \(place) is \(found[place]), not \(byte)")
            }
          }
        }
      }
    }

    /// More writes at a time than the kernel sends, to pages that are just being read ahead: all are answered.
    @Test(.timeLimit(.minutes(5)), arguments: [4096, 64 << 10])
    func aDeepQueueBesideReadersComesToAnEnd(size: Int) throws {
      try onMount { root in
        let path = root.appending("file")
        let count = (16 << 20) / size
        try path.write([UInt8](repeating: 0, count: count * size))
        var last = [UInt8](repeating: 0, count: count)
        let file = try Syscall.open(path, O_RDWR | clinux_o_direct())
        defer { close(file) }
        let depth = min(192, count / 2)
        let queue = try Queue(file, depth: depth, size: size)
        var random = SeededGenerator(seed: 7)
        // No two at a time to the same place.
        var places: [Int?] = Array(repeating: nil, count: depth)
        func begin(_ slot: Int) throws {
          var place = random.number(0..<count)
          while places.contains(place) { place = random.number(0..<count) }
          places[slot] = place
          last[place] = UInt8(truncatingIfNeeded: random.next())
          try queue.begin(slot, filledWith: last[place], at: place * size)
        }
        try whileOthersRead(path, threads: 2, size: count * size) {
          for slot in 0..<depth { try begin(slot) }
          for _ in 0..<6000 { try begin(try queue.wait()) }
          for _ in 0..<depth { _ = try queue.wait() }
        }
        let bytes = try path.bytes()
        for place in 0..<count {
          let found = bytes[place * size..<(place + 1) * size]
          if !found.allSatisfy({ $0 == last[place] }) { Issue.record("\(place) is not as written") }
        }
      }
    }
  }
}
