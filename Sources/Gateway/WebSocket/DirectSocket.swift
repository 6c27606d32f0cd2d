import Foundation
import NIOCore

/// The socket of a channel, for writing to it without the channel.
///
/// A broadcast to a thousand clients is a thousand writes that nearly always succeed at once. A channel is made for the
/// others: it keeps a queue, promises, and marks of what is to be flushed, spread over half a dozen objects, and touching
/// them all costs as much as the processor's own part of the system call. So what can go at once goes at once, and the
/// channel gets only what the socket did not take.
///
/// Its user keeps three rules. Nothing may wait in the channel, or bytes would overtake each other. Nothing may stand
/// between the channel's end and the socket, as TLS does. The channel must be active: a closed socket's number may be
/// another one's by now. All is called on the channel's loop, where it is closed as well.
struct DirectSocket {
  private let channel: any Channel
  private let handle: NIOBSDSocket.Handle

  /// Nil: the channel has no socket, or none any more.
  init?(of channel: any Channel) {
    let handle = try? channel.pipeline.syncOperations.withUnsafeTransportIfAvailable { (handle: NIOBSDSocket.Handle) in
      handle
    }
    guard let handle else { return nil }
    self.channel = channel
    self.handle = handle
  }

  /// Takes away what the socket takes at once; the rest, which may be all, stays. Errors are left for the channel to find.
  func write(_ bytes: inout ByteBuffer) {
    guard channel.isActive else { return }
    let count = bytes.withUnsafeReadableBytes { bytes in
      send(handle, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }
    if count > 0 { bytes.moveReaderIndex(forwardBy: count) }
  }
}
