import Hummingbird
import NIOCore

/// What is known of a request beside what it says.
struct GatewayContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  private let address: SocketAddress?
  /// Who asks, for the tenants' routes: the gate before them has found out.
  var caller: Caller?

  init(source: ApplicationRequestContextSource) {
    coreContext = CoreRequestContextStorage(source: source)
    address = source.channel.remoteAddress
  }

  /// Whom limits by address count.
  var household: String? { address?.household }
}
