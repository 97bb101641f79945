import Foundation
import Journal
import TestSupport

import struct SystemPackage.FileDescriptor
import struct SystemPackage.FilePath

@testable import Ext4

/// The programs that replay a journal: fuse4fs, and those whose result ours must equal.
enum Recoverer {
  /// Opens the file system for reading on a device that can be written, which replays the journal and leaves orphans alone.
  @discardableResult
  static func fuse4fs(_ crashed: KernelCrash.Result) throws -> JournalReport? {
    try withDevice(crashed.image.path) { device in
      var options = Volume.Options()
      options.readOnly = true
      options.journal = try environment(crashed)
      return try Volume.replayJournal(device, options: options)
    }
  }

  /// As `fuse4fs --replay`, with orphans.
  static func replay(_ crashed: KernelCrash.Result) throws -> ReplayReport {
    try withDevice(crashed.image.path) { device in
      var options = Volume.Options()
      options.journal = try environment(crashed)
      return try Volume.replay(device, options: options)
    }
  }

  /// It repairs nothing that would need a person's word.
  static func e2fsck(_ crashed: KernelCrash.Result) throws -> Command.Result {
    let journal = crashed.journal.map { ["-j", $0.string] } ?? []
    return try Command(
      ["e2fsck", "-p", "-E", "journal_only"] + journal + [crashed.image.path.string]
    )
    .run()
  }

  /// Mounts it for reading, from a device that can be written, and unmounts. Returns whether it would be mounted.
  @discardableResult
  static func kernel(_ crashed: KernelCrash.Result, at point: FilePath) throws -> Bool {
    try LoopDevice.with(crashed.image.path) { device in
      guard let journal = crashed.journal else { return try mount(device, "ro", at: point) }
      return try LoopDevice.with(journal) { journalDevice in
        try mount(device, "ro,journal_path=\(journalDevice)", at: point)
      }
    }
  }

  private static func mount(
    _ device: FilePath, _ options: String, at point: FilePath
  ) throws -> Bool {
    let command = ["mount", "-t", "ext4", "-o", options, device.string, point.string]
    guard try Command(command).run().succeeded else { return false }
    try Command(["umount", point.string]).succeed()
    return true
  }

  private static func environment(_ crashed: KernelCrash.Result) throws -> JournalEnvironment {
    var environment = JournalEnvironment()
    guard let journal = crashed.journal else { return environment }
    // Open until the tests end.
    let device = try device(journal)
    environment.openDevice = { _ throws(MountRefusal) in device }
    return environment
  }

  private static func device(_ path: FilePath) throws -> BlockDevice {
    let file = try FileDescriptor.open(path, .readWrite)
    return BlockDevice(
      fileDescriptor: file.rawValue, byteOffset: 0,
      byteCount: try file.seek(offset: 0, from: .end), isWritable: true)
  }

  static func withDevice<R>(_ path: FilePath, _ body: (BlockDevice) throws -> R) throws -> R {
    let device = try device(path)
    defer { try? FileDescriptor(rawValue: device.fileDescriptor).close() }
    return try body(device)
  }
}
