import FuseProtocol

/// What a transport hands requests to.
public protocol RequestServer: AnyObject, Sendable {
  /// Serves the request of `exchange`: sends its reply, or takes the reply over (`Exchange.takeReply`), or says that it has none
  /// (`Exchange.dropReply`), before this returns. Called by a thread that may read requests. Before that thread waits, it must say so
  /// (`Exchange.threadWillWait`).
  func serve(_ exchange: Exchange)
}

/// Sees what passes between the kernel and the server. Called by the threads that receive and send.
public protocol ExchangeObserver: AnyObject, Sendable {
  /// The request of `exchange` has been received.
  func received(_ exchange: Exchange)
  /// A reply is about to be sent.
  func sends(_ header: ReplyHeader, _ payload: UnsafeRawBufferPointer)
}
