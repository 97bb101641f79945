import Glibc
import SystemPackage

/// Files whose data is in the inode: READ and WRITE without a handle (ABI 4.9).
extension SimulatedKernel {
  private func inlineBytes(
    _ inode: KernelInode, _ position: UInt64, _ count: UInt64, _ mapping: WireMapping
  ) throws(Errno) -> [UInt8] {
    let most = mapping.end - position
    let bytes: [UInt8]
    do throws(Errno) {
      bytes = try connection.request(
        .read, node: inode.node, encodeRead(handle: 0, position, UInt32(min(count, most))),
        kind: "read inline")
    } catch {
      rules.check(.i40, false, "READ without a handle, node \(inode.node): \(error)")
      throw error
    }
    rules.check(
      .i40, UInt64(bytes.count) <= most && !bytes.isEmpty,
      "READ of inline node \(inode.node) returns \(bytes.count) of \(most) bytes")
    guard UInt64(bytes.count) <= most, !bytes.isEmpty else { throw .ioError }
    return bytes
  }

  func fillInline(_ inode: KernelInode, _ page: Page, _ mapping: WireMapping) throws(Errno) {
    guard mapping.length <= pageSize, page.index == 0 else { throw .corrupted }
    let bytes = try inlineBytes(inode, 0, mapping.length, mapping)
    memset(page.bytes, 0, Int(pageSize))
    bytes.withUnsafeBytes { _ = memcpy(page.bytes, $0.baseAddress!, min($0.count, Int(pageSize))) }
  }

  func writeInline(
    _ inode: KernelInode, _ mapping: Mapping, _ bytes: [UInt8], _ done: Int, _ step: inout Step
  ) throws(Errno) {
    let part = Array(bytes[done..<(done + Int(step.count))])
    let written: Int
    do throws(Errno) {
      let reply = try connection.request(
        .write, node: inode.node, encodeWrite(handle: 0, step.position, part),
        kind: "write inline")
      written = reply.count >= 4 ? Int(reply.read { $0.u32(0) }) : 0
    } catch {
      rules.check(.i40, false, "WRITE without a handle, node \(inode.node): \(error)")
      throw error
    }
    rules.check(.i40, written == part.count, "WRITE of inline node \(inode.node): \(written)")
    guard written == part.count else { throw .ioError }
    step.written = step.count
    inode.monitor.withLock {
      let end = step.position + step.count
      // What the page held is not merged with it: the hazard of 4.9, taken at its best.
      inode.pages[step.position / pageSize] = nil
      inode.raiseSize(to: end, pageSize: pageSize)
      inode.expectedDiskSize = max(inode.expectedDiskSize, end)
      inode.sizeEpoch += 1
      inode.dropMappings(
        from: roundDown(step.position, blockSize), to: roundUp(end, blockSize),
        maximum: session.maximumBytes)
    }
  }

  /// Zeroing the tail of an inline file is a WRITE of zeros.
  func zeroInline(
    _ inode: KernelInode, _ mapping: Mapping, _ position: UInt64, _ count: UInt64
  ) throws(Errno) -> UInt64 {
    let size = inode.monitor.withLock { inode.size }
    let part = min(count, size > position ? size - position : 0)
    if part > 0 {
      var step = Step(
        operation: .zero, position: position, count: part, written: 0, mapping: mapping.target)
      let zeros = [UInt8](repeating: 0, count: Int(part))
      try writeInline(inode, mapping, zeros, 0, &step)
    }
    return count
  }

  // MARK: Files that are not iomapped

  func encodeRead(handle: UInt64, _ position: UInt64, _ count: UInt32) -> [UInt8] {
    var payload = MessageWriter(capacity: 40)
    payload.append(handle)
    payload.append(position)
    payload.append(count)
    payload.append(zeros: 20)
    return payload.bytes
  }

  func encodeWrite(handle: UInt64, _ position: UInt64, _ bytes: [UInt8]) -> [UInt8] {
    var payload = MessageWriter(capacity: 40 + bytes.count)
    payload.append(handle)
    payload.append(position)
    payload.append(UInt32(bytes.count))
    payload.append(zeros: 20)
    payload.append(raw: bytes)
    return payload.bytes
  }

  func readPlainly(_ file: OpenFile, _ position: UInt64, _ count: Int) throws(Errno) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let part = min(count - bytes.count, 131_072)
      let payload = encodeRead(
        handle: file.handle, position + UInt64(bytes.count), UInt32(part))
      let read = try connection.request(.read, node: file.node, payload)
      bytes += read
      if read.count < part { break }
    }
    return bytes
  }

  func writePlainly(_ file: OpenFile, _ position: UInt64, _ bytes: [UInt8]) throws(Errno) -> Int {
    var done = 0
    while done < bytes.count {
      let part = min(bytes.count - done, Int(min(session.maximumWrite, 131_072)))
      let payload = encodeWrite(
        handle: file.handle, position + UInt64(done), Array(bytes[done..<(done + part)]))
      let reply = try connection.request(.write, node: file.node, payload)
      let written = reply.count >= 4 ? Int(reply.read { $0.u32(0) }) : 0
      guard written > 0 else { return done }
      done += written
    }
    return done
  }
}
