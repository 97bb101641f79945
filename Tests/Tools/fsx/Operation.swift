import ArgumentParser

/// What can be done to the file. Offsets count from the model's base; `file` says through which of
/// the open descriptors.
enum Operation {
  case read(file: Int, offset: Int, count: Int)
  case write(file: Int, offset: Int, count: Int, seed: UInt64)
  case append(count: Int, seed: UInt64)
  case truncate(file: Int, size: Int)
  case mapRead(file: Int, offset: Int, count: Int)
  case mapWrite(file: Int, offset: Int, count: Int, seed: UInt64, sync: Bool)
  case punch(file: Int, offset: Int, count: Int)
  case zero(file: Int, offset: Int, count: Int, keepSize: Bool)
  case allocate(file: Int, offset: Int, count: Int, keepSize: Bool)
  case copy(from: Int, source: Int, to: Int, target: Int, count: Int)
  case directRead(offset: Int, count: Int)
  case directWrite(offset: Int, count: Int, seed: UInt64)
  case sync(file: Int, dataOnly: Bool)
  case reopen(file: Int)
  case seek(file: Int, offset: Int)
}

/// The classes of operations that `--exclude` knows.
enum OperationClass: String, CaseIterable, ExpressibleByArgument {
  case read, write, append, truncate, mapRead, mapWrite, punch, zero, allocate, copy, directRead
  case directWrite, sync, reopen, seek

  /// How often, relative to the others.
  var weight: Int {
    switch self {
    case .read, .write: 20
    case .mapRead, .mapWrite, .directRead, .directWrite: 8
    case .append, .truncate, .punch, .zero, .allocate, .copy: 6
    case .seek: 4
    case .reopen: 2
    case .sync: 1
    }
  }
}
