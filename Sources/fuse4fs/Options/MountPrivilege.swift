/// Whether device nodes, or set-user-ID programs, work in the mount: only if that is asked for.
struct MountPrivilege: Sendable, Equatable {
  private enum State { case unsaid, refused, granted }

  private var state = State.unsaid

  var isGranted: Bool { state == .granted }

  /// Of two words, the last one counts.
  mutating func refuse() { state = .refused }
  mutating func grant() { state = .granted }

  /// For mount(8), which puts options that it knows in front of those that it does not: their order says nothing.
  mutating func grantUnlessRefused() {
    if state != .refused { state = .granted }
  }
}
