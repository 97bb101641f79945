import Synchronization

/// Whether what the kernel keeps of a directory's listing can be older than the kernel takes it for.
///
/// Linux keeps listings (fs/fuse/readdir.c), with FOPEN_CACHE_DIR, which it assumes where OPENDIR is declined. It notes the version of the
/// directory when a listing begins while nothing is kept, and then keeps the answers of all listings that continue what it has, in the order
/// in which they come. So an answer from before a change may be kept under the version from after it: the first answer to one listing is on
/// its way, a name is made, another listing begins and notes the new version, and then the first answer arrives. From then on the name is
/// missing, or a removed one is there, in every listing until the directory changes again.
///
/// The kernel uses what it keeps once a listing has come to its end, which is an empty answer. Before that goes out, the kernel must drop
/// what it keeps if the directory has changed since the beginning of any listing that may have contributed: those of other threads that have
/// not come to their end, and this one.
///
/// A listing that is given up on the way stays here. All that this costs is that later listings of that directory are not kept.
final class ListingFreshness: Sendable {
  private struct Listing {
    let thread: Int32
    let node: NodeID
    /// How often directories of this place had changed when it began.
    let start: UInt64
  }

  private struct Listings {
    var running: [Listing] = []
    /// The beginning of a listing for which there was no room.
    var lost: UInt64?
  }

  /// Directories share places; one that shares the place of another that changes loses what the kernel keeps, and no more.
  private final class Place: Sendable {
    let changes = Atomic<UInt64>(0)
    let listings = Mutex(Listings())
  }

  private let places: [Place]
  private let capacity: Int

  init(places count: Int = 256, capacity: Int = 64) {
    places = (0..<count).map { _ in Place() }
    self.capacity = capacity
  }

  private func place(of directory: NodeID) -> Place {
    places[Int(directory.rawValue % UInt64(places.count))]
  }

  /// A name has been made, removed or changed. To be called before the answer to the request that did it.
  @inline(__always)
  func noteChange(in directory: NodeID) {
    place(of: directory).changes.add(1, ordering: .acquiringAndReleasing)
  }

  /// A thread asks for entries. To be called before the directory is read.
  func noteRequest(by thread: Int32, in directory: NodeID) {
    let place = place(of: directory)
    let start = place.changes.load(ordering: .acquiring)
    place.listings.withLock { listings in
      // Until it comes to its end, a listing is as old as when it began, also when the thread begins again.
      guard !listings.running.contains(where: { $0.thread == thread && $0.node == directory })
      else { return }
      if listings.running.count == capacity {
        listings.lost = min(listings.lost ?? .max, listings.running.removeFirst().start)
      }
      listings.running.append(Listing(thread: thread, node: directory, start: start))
    }
  }

  /// The next answer tells a thread that the listing is at its end. Returns whether the kernel must drop what it keeps before.
  func noteEnd(by thread: Int32, in directory: NodeID) -> Bool {
    let place = place(of: directory)
    let now = place.changes.load(ordering: .acquiring)
    return place.listings.withLock { listings in
      let isStale =
        listings.lost != nil
        || listings.running.contains { $0.node == directory && $0.start != now }
      // Threads without a number, in another process namespace, cannot be told apart: there may be more of them.
      if thread > 0 {
        listings.running.removeAll { $0.thread == thread && $0.node == directory }
      }
      return isStale
    }
  }
}
