/// Hears how far a workload has come.
public protocol ProgressMarks {
  func mark(_ mark: WriteLog.Mark)
  /// The next mark says that what has ended by now is on stable storage.
  func willSynchronize()
}

extension WriteRecorder: ProgressMarks {
  public func willSynchronize() {}
}
