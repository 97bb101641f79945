import Foundation
import TestSupport
import Testing

import struct SystemPackage.FilePath

/// A kind of file system, and what the kernel does in it before the power goes.
struct KernelCrash: Sendable, CustomTestStringConvertible {
  var name: String
  var size = "16M"
  var type = "ext4"
  var features: [String] = []
  var blockSize = 1024
  /// In MiB.
  var journalSize = 1
  var isExternal = false
  var mount: [String] = []
  var work = Self.names

  /// The kernel revokes nothing then: data takes the same way as what it replaces.
  var journalsData: Bool { mount.contains("data=journal") }

  var testDescription: String { name }

  /// Names and files of all kinds; directories that go, whose blocks are revoked and taken again.
  static let names = """
    mkdir a a/b c
    for i in $(seq 60); do echo $i > a/file-with-a-long-name-$i; done
    ln a/file-with-a-long-name-1 c/hard; ln -s /nowhere c/soft
    for i in 1 2 3 4 5 6; do mkdir d$i; for j in 1 2 3 4 5; do echo $j > d$i/$j; done; done
    sync a/file-with-a-long-name-1
    mv a/file-with-a-long-name-2 c/moved
    rm -r d1 d2 d3; mkdir e; seq 20000 | head -c 50000 > e/data; truncate -s 10 e/data
    seq 90000 | head -c 200000 > e/large
    sync e/large
    rm -r d4; mkdir f; printf '\\300\\073\\071\\230 looks like the log' > f/escaped
    sync f/escaped
    """

  /// More than a small log holds at a time, so that it goes round.
  static let rounds = """
    for i in $(seq 45); do
      mkdir r$i; for j in $(seq 30); do echo $i $j > r$i/file-with-a-long-name-$j; done
      [ $i -lt 5 ] || rm -r r$((i - 4))
      sync r$i/file-with-a-long-name-1
    done
    """

  /// What the kernel does depends on it: where directories go, and in which order names stand.
  private static let uuid = "6d0c1f5e-3f0a-4c55-9d7e-0c8a4b1f2e3d"

  static let all: [KernelCrash] = [
    KernelCrash(name: "no checksums", features: ["^64bit", "^metadata_csum"]),
    KernelCrash(
      name: "64 bits, 4 KiB", features: ["64bit", "^metadata_csum"], blockSize: 4096, journalSize: 4
    ),
    KernelCrash(
      name: "v1", features: ["64bit", "^metadata_csum"], mount: ["journal_checksum"]),
    KernelCrash(name: "v3", features: ["^64bit", "metadata_csum"]),
    KernelCrash(
      name: "v3, 64 bits, 4 KiB", features: ["64bit", "metadata_csum"], blockSize: 4096,
      journalSize: 4),
    KernelCrash(
      name: "async commit, v1", features: ["^metadata_csum"],
      mount: ["data=writeback", "journal_async_commit"]),
    KernelCrash(
      name: "async commit, v3", features: ["metadata_csum"],
      mount: ["data=writeback", "journal_async_commit"]),
    KernelCrash(name: "data=journal", features: ["metadata_csum"], mount: ["data=journal"]),
    KernelCrash(
      name: "data=journal, 4 KiB, no checksums", features: ["^metadata_csum"], blockSize: 4096,
      journalSize: 4, mount: ["data=journal"]),
    KernelCrash(name: "a log that goes round", features: ["metadata_csum"], work: rounds),
    KernelCrash(
      name: "a log that goes round, v1", features: ["^metadata_csum"], mount: ["journal_checksum"],
      work: rounds),
    KernelCrash(name: "ext3", type: "ext3"),
    KernelCrash(
      name: "ext3, data=journal, round", type: "ext3", mount: ["data=journal"], work: rounds),
    KernelCrash(name: "external", isExternal: true),
    KernelCrash(
      name: "external, 4 KiB, round", blockSize: 4096, journalSize: 4, isExternal: true,
      work: rounds),
    KernelCrash(
      name: "fast commits that are not used", features: ["fast_commit"], journalSize: 2,
      work: names.replacing("sync ", with: "sync -f ")),
  ]

  /// A file system that needs recovery, with its journal if that is elsewhere.
  struct Result {
    var image: Image
    var journal: FilePath?

    /// Both, copied.
    func copy(_ name: String, in scratch: Scratch) throws -> Result {
      var copy = self
      copy.image = Image(existing: try duplicate(image.path, to: scratch.appending(name)))
      copy.journal = try journal.map { try duplicate($0, to: scratch.appending(name + ".journal")) }
      return copy
    }

    private func duplicate(_ file: FilePath, to copy: FilePath) throws -> FilePath {
      try Command(["cp", "--sparse=always", file.string, copy.string]).succeed()
      return copy
    }
  }

  func make(in scratch: Scratch) throws -> Result {
    guard isExternal else { return try make(in: scratch, journal: ["-J", "size=\(journalSize)"]) }
    let journal = scratch.appending("journal")
    try Command([
      "mke2fs", "-q", "-F", "-O", "journal_dev", "-b", String(blockSize), journal.string,
      "\(journalSize + 1)M",
    ]).succeed()
    return try LoopDevice.with(journal) { device in
      var result = try make(in: scratch, journal: ["-J", "device=\(device)"]) {
        try CrashedImage.copyAtRest(journal, to: scratch.appending("crashed.journal"))
      }
      result.journal = scratch.appending("crashed.journal")
      return result
    }
  }

  private func make(
    in scratch: Scratch, journal: [String], then: () throws -> Void = {}
  ) throws -> Result {
    let image = try Image(
      at: scratch.appending("image"), size: size, type: type, features: features,
      blockSize: blockSize,
      options: journal + ["-U", Self.uuid, "-E", "hash_seed=\(Self.uuid)"])
    let crashed = try CrashedImage.make(
      of: image, copy: scratch.appending("crashed"), at: try scratch.directory("making"),
      options: mount
    ) { root in
      try Command(shell: work, in: root).succeed()
      try then()
    }
    return Result(image: crashed, journal: nil)
  }
}
