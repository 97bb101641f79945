import Glibc
import Journal

/// Where blocks with certain attributes are known to be, so that inodes with equal attributes, as in a tree
/// whose files all inherit one ACL, share one (the kernel's mbcache). Belongs to the metadata lock.
struct SharableAttributeBlocks {
  /// By `h_hash`; of several blocks with one hash the last that was seen.
  private var blocks: [UInt32: BlockNumber] = [:]

  /// More than this and all are forgotten: what is in use is soon seen again.
  private static let capacity = 4096

  mutating func insert(_ block: AttributeBlock) {
    let hash = block.header.pointee.h_hash
    guard hash != 0, block.header.pointee.h_refcount < AttributeBlock.maximumReferences else {
      return
    }
    if blocks.count >= Self.capacity { blocks.removeAll(keepingCapacity: true) }
    blocks[hash] = block.buffer.block
  }

  /// To be called before the block changes or is freed.
  mutating func remove(_ block: AttributeBlock) {
    let hash = block.header.pointee.h_hash
    if blocks[hash] == block.buffer.block { blocks[hash] = nil }
  }

  func candidate(hash: UInt32) -> BlockNumber? { blocks[hash] }
}

extension Volume {
  /// A block with exactly these attributes that can take another inode, if one is known; not `own`.
  func sharableBlock(
    equalTo packed: borrowing PackedAttributes, besides own: BlockNumber?
  ) -> AttributeBlock? {
    guard let hash = packed.hash, let number = sharableBlocks.candidate(hash: hash), number != own,
      let buffer = try? cache.read(number)
    else { return nil }
    let block = AttributeBlock(buffer, size: blockSize)
    let header = block.header.pointee
    guard header.h_magic == AttributeBlock.magic, header.h_blocks == 1, header.h_hash == hash,
      header.h_refcount > 0, header.h_refcount < AttributeBlock.maximumReferences
    else { return nil }
    let start = AttributeBlock.headerSize
    guard memcmp(buffer.data + start, packed.bytes + start, blockSize - start) == 0 else {
      return nil
    }
    return block
  }
}
