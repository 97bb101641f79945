import TestSupport

import struct SystemPackage.Errno
import struct SystemPackage.FilePath

@testable import Ext4

/// A change of one attribute of one of several files, as a random sequence has it.
enum AttributeOperation {
  case set(file: Int, name: String, value: [UInt8], Inode.AttributeMode)
  case remove(file: Int, name: String)

  var file: Int {
    switch self {
    case .set(let file, _, _, _), .remove(let file, _): file
    }
  }

  static let names =
    (1...6).map { "user.\(String(repeating: "n", count: $0 * $0))" }
    + ["trusted.a", "trusted.overlay", "security.selinux", "security.x", "user.b", "user.c"]

  static func random(files: Int, blockSize: Int, using generator: inout SeededGenerator) -> Self {
    let file = generator.number(0..<files)
    let name = generator.pick(names)
    if generator.oneIn(4) { return .remove(file: file, name: name) }
    let size =
      switch generator.number(0..<10) {
      case 0: 0
      case 1: generator.number(0..<blockSize + 100)
      case 2: generator.number(0..<blockSize / 4)
      default: generator.number(1..<90)
      }
    let mode: Inode.AttributeMode =
      switch generator.number(0..<6) {
      case 0: .create
      case 1: .replace
      default: .createOrReplace
      }
    // Few seeds, so that files come to have equal attributes and share blocks.
    let value = SeededGenerator.bytes(size, seed: UInt64(generator.number(0..<2)))
    return .set(file: file, name: name, value: value, mode)
  }
}

/// What the attributes of several files should be.
struct AttributeModel {
  var files: [[String: [UInt8]]]

  /// Applies the operation as far as it is not a matter of room. Returns the expected error.
  mutating func apply(_ operation: AttributeOperation) -> Errno? {
    switch operation {
    case .set(let file, let name, let value, let mode):
      if mode == .create, files[file][name] != nil { return .fileExists }
      if mode == .replace, files[file][name] == nil { return .noData }
      files[file][name] = value
    case .remove(let file, let name):
      guard files[file].removeValue(forKey: name) != nil else { return .noData }
    }
    return nil
  }

  /// Bytes that all attributes of a file take in a block.
  func size(of file: Int) -> Int {
    files[file].reduce(36) { total, attribute in
      let suffix = attribute.key.utf8.count - attribute.key.prefix { $0 != "." }.utf8.count - 1
      return total + (16 + suffix + 3) & ~3 + (attribute.value.count + 3) & ~3
    }
  }
}

extension AttributeVolume {
  func apply(_ operation: AttributeOperation, to inodes: [Inode]) -> Errno? {
    switch operation {
    case .set(let file, let name, let value, let mode):
      set(name, of: inodes[file], to: value, mode)
    case .remove(let file, let name): remove(name, of: inodes[file])
    }
  }
}

extension KernelMount {
  static func apply(_ operation: AttributeOperation, to paths: [FilePath]) -> Errno? {
    do throws(Errno) {
      switch operation {
      case .set(let file, let name, let value, let mode):
        let flags: CInt = mode == .create ? 1 : mode == .replace ? 2 : 0
        try Syscall.setXattr(paths[file], name, value, flags: flags)
      case .remove(let file, let name): try Syscall.removeXattr(paths[file], name)
      }
      return nil
    } catch {
      return error
    }
  }
}
