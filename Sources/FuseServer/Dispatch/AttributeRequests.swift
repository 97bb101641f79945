import FuseProtocol
import FuseTransport
import Glibc
import SystemPackage

extension Dispatch {
  func attributes(_ request: Request.GetAttributes, _ exchange: Exchange) {
    answer(exchange) { () throws(Errno) in
      // For stat and fstat the kernel does not name a handle.
      encoded(
        try operations.attributes(of: exchange.header.node, beforeWrite: request.handle != nil))
    }
  }

  /// The only request that can tell a file's birth time.
  func statx(_ exchange: Exchange) {
    answer(exchange) { () throws(Errno) in
      let attributes = try operations.attributes(of: exchange.header.node, beforeWrite: false)
      return Reply.Statx(timeout: attributes.timeout, status: FileStatus(attributes))
    }
  }

  func setAttributes(_ request: Request.SetAttributes, _ exchange: Exchange) {
    answer(exchange) { () throws(Errno) in
      encoded(
        try operations.setAttributes(
          of: exchange.header.node, to: AttributeRequest(request), for: Caller(of: exchange.header))
      )
    }
  }

  func statistics(_ exchange: Exchange) {
    answer(exchange) { () throws(Errno) in
      let statistics = try operations.statistics()
      return Reply.Statistics(
        blocks: statistics.blocks, freeBlocks: statistics.freeBlocks,
        availableBlocks: statistics.availableBlocks, files: statistics.files,
        freeFiles: statistics.freeFiles, blockSize: statistics.blockSize,
        maximumNameLength: statistics.maximumNameLength, fragmentSize: statistics.blockSize)
    }
  }

  private func encoded(_ attributes: Attributes) -> Reply.Attributes {
    Reply.Attributes(
      timeout: attributes.timeout, attributes: attributes.encoded(for: connection.iomapRevision))
  }

  // MARK: Extended attributes

  func extendedAttribute(_ request: Request.GetExtendedAttribute, _ exchange: Exchange) {
    answer(exchange, capacity: request.size) { () throws(Errno) in
      try operations.extendedAttribute(request.name.cString, of: exchange.header.node)
    }
  }

  func extendedAttributeNames(
    _ request: Request.ListExtendedAttributes, _ exchange: Exchange
  ) {
    answer(exchange, capacity: request.size) { () throws(Errno) in
      try operations.extendedAttributeNames(
        of: exchange.header.node, for: Caller(of: exchange.header))
    }
  }

  func setExtendedAttribute(_ request: Request.SetExtendedAttribute, _ exchange: Exchange) {
    acknowledge(exchange) { () throws(Errno) in
      try operations.setExtendedAttribute(
        request.name.cString, of: exchange.header.node, to: request.value,
        flags: CInt(bitPattern: request.flags), for: Caller(of: exchange.header))
    }
  }

  func removeExtendedAttribute(
    _ request: Request.RemoveExtendedAttribute, _ exchange: Exchange
  ) {
    acknowledge(exchange) { () throws(Errno) in
      try operations.removeExtendedAttribute(request.name.cString, of: exchange.header.node)
    }
  }

  /// Answers with a value of variable size: with its length where that is all that was asked for, with ERANGE where it does not fit.
  private func answer(
    _ exchange: Exchange, capacity: UInt32, _ body: () throws(Errno) -> [UInt8]
  ) {
    do throws(Errno) {
      let value = try body()
      if capacity == 0 {
        exchange.send(Reply.ExtendedAttributeSize(size: UInt32(value.count)))
      } else if value.count > Int(capacity) {
        exchange.send(.outOfRange)
      } else {
        _ = value.withUnsafeBytes { exchange.send($0) }
      }
    } catch {
      exchange.send(error)
    }
  }

  // MARK: Ioctls

  func control(_ request: Request.Control, _ exchange: Exchange) {
    do throws(Errno) {
      let output = try operations.control(
        exchange.header.node,
        ControlRequest(
          command: request.command, argument: request.argument, input: request.input,
          outputCapacity: Int(request.outputSize), caller: Caller(of: exchange.header)))
      let head = Reply.Control.size(at: connection.negotiated.minor)
      let reply = exchange.output(head + output.count)
      guard reply.count == head + output.count else { throw .outOfRange }
      Reply.Control(result: 0).encode(
        into: UnsafeMutableRawBufferPointer(rebasing: reply[..<head]),
        at: connection.negotiated.minor)
      UnsafeMutableRawBufferPointer(rebasing: reply[head...]).copyBytes(from: output)
      exchange.send(UnsafeRawBufferPointer(reply))
    } catch {
      exchange.send(error)
    }
  }
}

extension UnsafeRawBufferPointer {
  /// A name of a request as a C string: the NUL stands behind it (`PayloadCursor.name`).
  fileprivate var cString: UnsafePointer<CChar> {
    baseAddress!.assumingMemoryBound(to: CChar.self)
  }
}

extension AttributeRequest {
  init(_ request: Request.SetAttributes) {
    self.init()
    let selection = request.selection
    if selection.contains(.mode) { mode = request.mode }
    if selection.contains(.userID) { userID = request.userID }
    if selection.contains(.groupID) { groupID = request.groupID }
    if selection.contains(.size) { size = request.size }
    if selection.contains(.accessTime) { accessTime = .at(timespec(request.accessTime)) }
    if selection.contains(.modificationTime) {
      modificationTime = .at(timespec(request.modificationTime))
    }
    if selection.contains(.accessTimeNow) { accessTime = .now }
    if selection.contains(.modificationTimeNow) { modificationTime = .now }
    if selection.contains(.changeTime) { changeTime = timespec(request.changeTime) }
    clearsSetID = selection.contains(.killSetID)
  }
}

extension timespec {
  fileprivate init(_ time: Timestamp) {
    self.init(tv_sec: Int(time.seconds), tv_nsec: Int(time.nanoseconds))
  }
}
