import Synchronization

/// What several tasks have begun, ended and been told is durable, as numbers that go up. Two of these numbers say for a cut at any point
/// of the log what must be found.
final class ConcurrentProgress: Sendable {
  struct State: Sendable {
    /// The number of the last operation of each task that has ended.
    fileprivate var ended: [Int]
    /// The same when the synchronization began that the task waits for.
    fileprivate var awaited: [Int: [Int]] = [:]
    /// After so many operations have begun: the last that each task had begun.
    var begun: [[Int]]
    /// After so many synchronizations: the last operation of each task that must be found.
    var synchronized: [[Int]]
    /// Of each operation of each task: the last operations of all that had ended when it began.
    var before: [[Int: [Int]]]
  }

  private let recorder: WriteRecorder
  private let state: Mutex<State>

  init(taskCount: Int, _ recorder: WriteRecorder) {
    self.recorder = recorder
    let none = [Int](repeating: 0, count: taskCount)
    state = Mutex(
      State(
        ended: none, begun: [none], synchronized: [none],
        before: Array(repeating: [0: none], count: taskCount)))
  }

  var final: State { state.withLock { $0 } }

  /// The log gets the marks within the same lock, so that they stand there in their order.
  func mark(_ mark: WriteLog.Mark, by task: Int) {
    state.withLock { state in
      switch mark {
      case .began(let operation):
        state.before[task][operation] = state.ended
        state.begun.append(state.begun[state.begun.count - 1])
        state.begun[state.begun.count - 1][task] = operation
        recorder.mark(.began(operation: state.begun.count - 1))
      case .finished(let operation):
        state.ended[task] = operation
      case .synchronized:
        guard let awaited = state.awaited.removeValue(forKey: task) else { return }
        let known = state.synchronized[state.synchronized.count - 1]
        state.synchronized.append(zip(known, awaited).map { max($0, $1) })
        recorder.mark(.synchronized(operation: state.synchronized.count - 1))
      }
    }
  }

  /// The task is about to wait until all that has ended by now is durable.
  func willSynchronize(_ task: Int) {
    state.withLock { state in state.awaited[task] = state.ended }
  }
}

/// The progress of one of the tasks.
struct TaskProgress: ProgressMarks {
  let all: ConcurrentProgress
  let task: Int

  func mark(_ mark: WriteLog.Mark) { all.mark(mark, by: task) }
  func willSynchronize() { all.willSynchronize(task) }
}
