import Synchronization

/// Which threads care for the attributes of what they list.
///
/// The kernel asks for the attributes of all entries whenever a listing begins (READDIRPLUS), since it cannot know yet whether the
/// caller will look at them. They cost the reading of all inodes, and most of the time of a listing that is about names only; withheld from
/// someone who needs them, they cost a LOOKUP for each entry. So a thread gets them with the first directory. If it has not looked at any when
/// it comes to the end (the kernel then asks for names, READDIR), they are withheld in the next directory, and
/// given again in all others as soon as the thread looks something up in that one.
///
/// Threads are told apart by number. Two that share a place here at worst get what the other needs.
final class ReaddirplusPolicy: Sendable {
  private enum Habit: UInt64 {
    /// Attributes were given with the listing of the directory.
    case given
    /// And not looked at before its end.
    case doubted
    /// They were not given with that of the directory.
    case withheld
    case needed
  }

  private let places: [Place]

  private final class Place: Sendable {
    let state = Atomic<UInt64>(0)
  }

  init(places count: Int = 64) {
    places = (0..<count).map { _ in Place() }
  }

  /// Whether the entries get attributes in the answer to READDIRPLUS.
  func givesAttributes(to thread: Int32, in directory: NodeID, from offset: UInt64) -> Bool {
    guard thread > 0 else { return true }
    let habit = habit(of: thread)
    guard offset == 0 else {
      // The kernel knows that a program has looked at those that came before.
      note(.needed, of: thread, in: directory)
      return true
    }
    switch habit?.habit {
    case .doubted, .withheld:
      note(.withheld, of: thread, in: directory)
      return false
    case .needed: return true
    case .given, nil:
      note(.given, of: thread, in: directory)
      return true
    }
  }

  /// READDIR has come.
  func noteNamesWanted(by thread: Int32, in directory: NodeID) {
    guard let habit = habit(of: thread), habit.habit == .given, habit.directory == key(directory)
    else { return }
    note(.doubted, of: thread, in: directory)
  }

  /// LOOKUP has come.
  @inline(__always)
  func noteLookup(by thread: Int32, in directory: NodeID) {
    guard let habit = habit(of: thread), habit.habit == .withheld, habit.directory == key(directory)
    else { return }
    note(.needed, of: thread, in: directory)
  }

  // A place holds the thread's number in bits 40 to 63 (they are below 2^22, PID_MAX_LIMIT of include/linux/threads.h), and from bit 2 on as much
  // of the node id as there is room for.

  private func key(_ directory: NodeID) -> UInt64 { directory.rawValue & (1 << 38 - 1) }

  private func place(of thread: Int32) -> Place {
    places[Int(thread) % places.count]
  }

  private func habit(of thread: Int32) -> (habit: Habit, directory: UInt64)? {
    guard thread > 0 else { return nil }
    let state = place(of: thread).state.load(ordering: .relaxed)
    guard state >> 40 == UInt64(thread), let habit = Habit(rawValue: state & 3) else { return nil }
    return (habit, state >> 2 & (1 << 38 - 1))
  }

  private func note(_ habit: Habit, of thread: Int32, in directory: NodeID) {
    place(of: thread).state.store(
      UInt64(thread) << 40 | key(directory) << 2 | habit.rawValue, ordering: .relaxed)
  }
}
