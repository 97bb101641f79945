import CUring

/// On which processors threads run.
enum ThreadPlacement {
  /// Where the threads of this process run that have no place of their own. Looked up by a thread that has none.
  private static let common: curing_processors? = {
    var processors = curing_processors()
    return curing_get_processors(&processors) >= 0 ? processors : nil
  }()

  /// To be called by a thread without a place of its own, before there is one with.
  static func prepare() { _ = common }

  /// The calling thread runs on this processor from here on, if it may.
  static func pin(to processor: Int) {
    var one = curing_one_processor(UInt32(processor))
    _ = curing_set_processors(&one)
  }

  /// The calling thread was started by one that has a place of its own, and is to have none.
  static func unpin() {
    guard var common else { return }
    _ = curing_set_processors(&common)
  }
}
