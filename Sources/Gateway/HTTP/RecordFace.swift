import Hummingbird
import Rooms

/// All that is under `/v1/tenants`.
struct RecordFace: Sendable {
  let desk: RecordDesk
  let settings: GatewaySettings
  let authority: Authority
  let time: any TimeSource

  func add(to router: Router<GatewayContext>) {
    TenantRoutes(directory: desk.directory, authority: authority).add(to: router)
    DirectoryRoutes(desk: desk).add(to: router)
    WebhookRoutes(webhooks: desk.webhooks).add(to: router)
    let doors = RoomDoors(settings: settings, time: time)
    SharedOrderRoutes(desk: desk, doors: doors).add(to: router)
    AssistantRoutes(desk: desk, doors: doors).add(to: router)
  }
}
