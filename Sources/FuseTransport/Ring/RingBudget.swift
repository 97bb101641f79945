import Glibc

/// How many entries the queues have: how many requests of a processor's programs can be under way at a time.
///
/// An entry's payload takes a megabyte of address space, and of memory once a large transfer has touched it, until it is trimmed
/// (`RingThread`). So machines with many processors have fewer for each.
struct RingBudget {
  /// Address space for payloads where each queue has more than the fewest entries, in bytes.
  private static let space = 256 << 20
  private static let most = 16
  private static let fewest = 4

  /// Of the queue of a processor that programs can run on.
  let entryCount: Int
  /// How many queues the kernel has: one for each processor that this system could ever have.
  let queueCount: Int
  /// The processors that programs can run on.
  let online: [Int]

  init(queueCount: Int, online: [Int]) {
    self.queueCount = queueCount
    self.online = online.filter { $0 < queueCount }
    entryCount = max(
      Self.fewest,
      min(Self.most, Self.space / RingMemory.payloadSize / max(self.online.count, 1)))
  }

  /// Of this system. Nil where it does not say which processors there are.
  static var ofThisSystem: RingBudget? {
    let directory = "/sys/devices/system/cpu"
    guard let possible = ProcessorList(contentsOf: directory + "/possible"),
      let online = ProcessorList(contentsOf: directory + "/online"), let last = possible.last
    else { return nil }
    return RingBudget(queueCount: last + 1, online: Array(online))
  }
}

extension RingBudget {
  /// The threads, each with where it runs and the queues that it serves. The queues of processors that are not there are with the first, with one entry
  /// each: the kernel wants an entry in each queue.
  var threads: [(processor: Int?, queues: [RingQueue])] {
    let absent = (0..<queueCount).filter { !online.contains($0) }.map {
      RingQueue(UInt16($0), entryCount: 1)
    }
    guard !online.isEmpty else { return [(nil, absent)] }
    return online.enumerated().map { index, processor in
      (
        processor,
        [RingQueue(UInt16(processor), entryCount: entryCount)] + (index == 0 ? absent : [])
      )
    }
  }
}
