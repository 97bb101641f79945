import Ext4
import FuseServer

// What the kernel's page cache may hold of files that are written directly.
extension Ext4Operations {
  func stalePages(of node: NodeID) -> StalePages {
    guard let inode = try? volume.node(InodeNumber(node: node)) else { return .written }
    return switch inode.pageCache.noteDirectWrite() {
    case .none: .none
    case .range: .written
    case .all: .all
    }
  }

  func pagesWereDropped(of node: NodeID) {
    try? volume.node(InodeNumber(node: node)).pageCache.wasDropped()
  }
}
