import Foundation
import Journal
import TestSupport
import Testing

/// What the kernel has written into a log is what we read there, and what we would have written.
@Suite(.enabled(if: getuid() == 0)) struct KernelFormatTests {
  struct Setting: Sendable, CustomTestStringConvertible {
    var features: [String]
    var mount: [String] = []
    var blockSize = 1024
    var checksum: JournalChecksum
    var testDescription: String { (features + mount + [String(blockSize)]).joined(separator: ",") }
  }

  static let settings = [
    Setting(features: ["^64bit", "^metadata_csum"], checksum: .none),
    Setting(features: ["64bit", "^metadata_csum"], blockSize: 4096, checksum: .none),
    Setting(
      features: ["64bit", "^metadata_csum"], mount: ["journal_checksum"], checksum: .v1),
    Setting(features: ["64bit", "metadata_csum"], mount: ["journal_checksum"], checksum: .v3),
    Setting(
      features: ["^64bit", "metadata_csum"], mount: ["journal_checksum"], blockSize: 4096,
      checksum: .v3),
  ]

  private func log(_ setting: Setting, in scratch: Scratch) throws -> KernelLog {
    let image = try Image(
      at: scratch.appending("image"), size: "32M", features: setting.features,
      blockSize: setting.blockSize, options: ["-J", "size=4"])
    let crashed = try CrashedImage.make(
      of: image, copy: scratch.appending("copy"), at: try scratch.directory("mnt"),
      options: setting.mount
    ) { root in
      // Deleted directories are what revokes are about.
      try Command(
        shell: """
          mkdir d e; touch d/1 d/2 d/3; mkdir d/s; sync .; rm -r d; mkdir f; echo x > f/x; sync .
          rmdir e; sync -d f/x; sync f/x
          """, in: root
      ).succeed()
    }
    return try KernelLog(of: crashed, in: scratch)
  }

  @Test(arguments: settings)
  func whatTheKernelWritesIsReadAndWouldBeWrittenTheSame(setting: Setting) throws {
    try Scratch.with { scratch in
      let log = try log(setting, in: scratch)
      let format = log.superblock.format
      #expect(format.checksum == setting.checksum)
      #expect(format.hasWideBlockNumbers == setting.features.contains("64bit"))
      #expect(log.superblock.isChecksumValid && log.superblock.needsRecovery)
      var counts: [JournalBlockHeader.BlockType: Int] = [:]
      var transaction = TransactionChecksum()
      var own = [UInt8](repeating: 0xEE, count: format.blockSize)
      try log.forEachBlock { number, header, bytes in
        counts[try #require(header.type), default: 0] += 1
        switch header.type {
        case .descriptor:
          let descriptor = DescriptorBlock(bytes, format: format)
          #expect(descriptor.isChecksumValid)
          transaction.add(bytes)
          own.withUnsafeMutableBytes { own in
            var writer = DescriptorBlockWriter(own, sequence: header.sequence, format: format)
            var position = number
            for tag in descriptor {
              position =
                position + 1 < log.superblock.logBlocks.upperBound
                ? position + 1 : Int(log.superblock.firstBlock)
              log.block(position).withUnsafeBytes { content in
                let sum = format.checksum(ofBlock: content, sequence: header.sequence)
                #expect(format.matches(tag, checksum: sum))
                #expect(!format.checksum.coversBlocks || sum != 0)
                transaction.add(content)
                var written = tag
                written.checksum = sum
                let fits = writer.append(written)
                #expect(fits)
              }
            }
            writer.finish()
            let match = compare(UnsafeRawBufferPointer(own), bytes, except: 12 + format.tagSize, 16)
            #expect(match, "descriptor in block \(number)")
          }
          return descriptor.tagCount
        case .revoke:
          #expect(RevokeBlock.isChecksumValid(bytes, format: format))
          own.withUnsafeMutableBytes { own in
            var writer = RevokeBlockWriter(own, sequence: header.sequence, format: format)
            for block in RevokeBlock(bytes, format: format).map({ Array($0) }) ?? [] {
              _ = writer.append(block)
            }
            writer.finish()
            #expect(own.elementsEqual(bytes), "revoke block in block \(number)")
          }
        case .commit:
          #expect(CommitBlock.isChecksumValid(bytes, format: format))
          if setting.checksum == .v1 {
            #expect(CommitBlock(bytes).transactionChecksum == transaction.value)
            #expect(CommitBlock.matches(bytes, transaction: transaction.value))
            transaction = TransactionChecksum()
          }
          own.withUnsafeMutableBytes { own in
            CommitBlock(bytes).encode(into: own, format: format)
            #expect(own.elementsEqual(bytes), "commit record in block \(number)")
          }
        default: Issue.record("a superblock in the log")
        }
        return 0
      }
      #expect(counts[.descriptor, default: 0] >= 2 && counts[.commit, default: 0] >= 2)
      #expect(counts[.revoke, default: 0] >= 1)
    }
  }

  /// The UUID in a descriptor may be the journal's or none, and the tail follows from it.
  private func compare(
    _ own: UnsafeRawBufferPointer, _ kernel: UnsafeRawBufferPointer, except offset: Int,
    _ count: Int
  ) -> Bool {
    let end = own.count - 4
    return own[..<offset].elementsEqual(kernel[..<offset])
      && own[(offset + count)..<end].elementsEqual(kernel[(offset + count)..<end])
  }
}
