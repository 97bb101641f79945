import SystemPackage

extension Volume {
  /// Copies up to `length` bytes from one file to another, or within one, and returns how many there were. Bytes are read
  /// and written in pieces; ENOSPC only if nothing could be copied.
  public func copyRange(
    from source: Inode, at sourceOffset: UInt64, to target: Inode, at targetOffset: UInt64,
    length: Int, options: Inode.WriteOptions
  ) throws(Ext4Error) -> Int {
    guard source.isFileKind, target.isFileKind else { throw .errno(.invalidArgument) }
    guard targetOffset < maximumFileSize(of: target) else { throw .errno(.fileTooLarge) }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
    defer { buffer.deallocate() }
    var done = 0
    do throws(Ext4Error) {
      while done < length {
        try requireCaller()
        let part = UnsafeMutableRawBufferPointer(
          rebasing: buffer[..<min(buffer.count, length - done)])
        let count = try source.read(into: part, at: sourceOffset + UInt64(done))
        if count == 0 { break }
        let written = try target.write(
          UnsafeRawBufferPointer(rebasing: part[..<count]), at: targetOffset + UInt64(done),
          options: options)
        done += written
        if written < count { break }
      }
    } catch {
      if done == 0 { throw error }
    }
    return done
  }
}

extension Inode {
  fileprivate var isFileKind: Bool { volume.metadata.withLock { isRegularFile } }
}
