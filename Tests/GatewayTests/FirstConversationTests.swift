import Foundation
import Load
import TestSupport
import Testing

/// What the first clients say, word for word: it must go on working as it stands here.
@Suite("First conversations", .timeLimit(.minutes(3)))
struct FirstConversationTests {
  static let wscatJoin =
    #"{"type":"join","participantId":"test_user","participantName":"Test","timestamp":1234567890,"#
    + #""data":{"circleId":"test","tenantId":"test","phone":"1234567890"}}"#

  /// What the web page of "Frontend Integration" sends in its `onopen`, and then to add an item.
  static let pageJoin = """
    {"type":"join","participantId":"test_9876543210","participantName":"Asha","timestamp":1700000000000,
     "data":{"circleId":"test","tenantId":"test","phone":"9876543210"}}
    """
  static let pageItem = """
    {"type":"add_item","participantId":"test_9876543210","participantName":"Asha","timestamp":1700000000001,
     "data":{"dishName":"Chicken Biryani","dishType":"non-veg","quantity":2,"price":299}}
    """

  @Test("the wscat session and the page's snippet, at the same time in one room")
  func wscatAndPage() async throws {
    try await withServer { server async throws in
      let wscat = try await RoomClient.open(server.port, "/parties/collaborative_order/test_session")
      wscat.socket.send(Self.wscatJoin)
      let joined = try await wscat.next()
      #expect(joined["type"] == "participant_joined")
      #expect(joined["participantId"] == "test_user")
      #expect(joined["participantName"] == "Test")
      #expect(joined["data"]["phone"] == "********90")
      #expect(joined["data"]["role"] == "owner")
      #expect(joined["data"]["participants"][0]["id"] == "test_user")
      #expect(joined["timestamp"].int != nil)

      let page = try await RoomClient.open(server.port, "/parties/collaborative_order/test_session")
      let sync = try await page.next()
      #expect(sync["type"] == "sync")
      #expect(sync["data"]["sessionId"] == "test_session")
      #expect(sync["data"]["circleId"] == "test")
      #expect(sync["data"]["tenantId"] == "test")
      #expect(sync["data"]["initiatedBy"] == "test_user")
      #expect(sync["data"]["status"] == "active")
      #expect(sync["data"]["splitType"] == "equal")
      #expect(sync["data"]["items"] == [])
      #expect(sync["data"]["total"] == 0)
      #expect(sync["data"]["participants"].elements.map { $0["name"] } == ["Test"])

      page.socket.send(Self.pageJoin)
      for client in [wscat, page] {
        let message = try await client.next()
        #expect(message["type"] == "participant_joined")
        #expect(message["participantId"] == "test_9876543210")
        #expect(message["data"]["participants"].elements.map { $0["name"] } == ["Test", "Asha"])
        #expect(message["data"]["participants"].elements.map { $0["role"] } == ["owner", "member"])
        #expect(message["data"]["participants"].elements.map { $0["isOnline"] } == [true, true])
        #expect(!String(describing: message).contains("9876543210") || message["participantId"] == "test_9876543210")
      }

      page.socket.send(Self.pageItem)
      var items: [JSON] = []
      for client in [wscat, page] {
        let message = try await client.next()
        #expect(message["type"] == "item_added")
        #expect(message["participantId"] == "test_9876543210")
        #expect(message["participantName"] == "Asha")
        let item = message["data"]["item"]
        #expect(item["dishName"] == "Chicken Biryani")
        #expect(item["dishType"] == "non-veg")
        #expect(item["quantity"] == 2)
        #expect(item["price"] == 299)
        #expect(item["itemTotal"] == 598)
        #expect(item["addedBy"] == "test_9876543210")
        #expect(item["addedByName"] == "Asha")
        #expect(item["addedAt"].int != nil)
        #expect(message["data"]["orderState"]["items"] == .array([item]))
        #expect(message["data"]["orderState"]["total"] == 598)
        items.append(item)
      }
      #expect(items[0] == items[1])
      let id = try #require(items[0]["id"].string)

      wscat.send("update_quantity", as: "test_user", data: #"{"itemId":"\#(id)","quantity":3}"#)
      for client in [wscat, page] {
        let message = try await client.next()
        #expect(message["type"] == "quantity_updated")
        #expect(message["data"]["itemId"] == .string(id))
        #expect(message["data"]["quantity"] == 3)
        #expect(message["data"]["orderState"]["total"] == 897)
      }
      wscat.send("update_split", as: "test_user", data: #"{"splitType":"itemized"}"#)
      for client in [wscat, page] {
        let message = try await client.next()
        #expect(message["type"] == "split_updated")
        #expect(message["data"]["splitType"] == "itemized")
        #expect(message["data"]["orderState"]["splitType"] == "itemized")
      }
      wscat.send("remove_item", as: "test_user", data: #"{"itemId":"\#(id)"}"#)
      for client in [wscat, page] {
        let message = try await client.next()
        #expect(message["type"] == "item_removed")
        #expect(message["data"]["itemId"] == .string(id))
        #expect(message["data"]["orderState"]["items"] == [])
      }
      page.socket.send(Self.pageItem)
      for client in [wscat, page] { _ = try await client.next("item_added") }
      wscat.send("finalize", as: "test_user")
      for client in [wscat, page] {
        let message = try await client.next()
        #expect(message["type"] == "order_finalized")
        #expect(message["data"]["status"] == "finalized")
        #expect(message["data"]["total"] == 598)
        #expect(message["data"]["shares"].elements.map { $0["amount"] } == [0, 598])
      }
    }
  }

  @Test("leave takes the participant out, and is told to the others")
  func leaving() async throws {
    try await withServer { server async throws in
      let owner = try await RoomClient.joined(server.port, as: "owner")
      let guest = try await RoomClient.joined(server.port, as: "guest")
      _ = try await owner.next("participant_joined")
      guest.send("leave", as: "guest")
      let message = try await owner.next()
      #expect(message["type"] == "participant_left")
      #expect(message["participantId"] == "guest")
      #expect(message["data"]["participants"].elements.map { $0["id"] } == ["owner"])
    }
  }

  @Test(
    "the page's snippet runs unchanged on Node's own kind of WebSocket",
    .enabled(if: FileManager.default.fileExists(atPath: "/usr/share/nodejs/ws/index.js"), "needs Debian's node-ws"))
  func node() async throws {
    try await withServer { server async throws in
      let script = """
        const WebSocket = require('ws');
        const sessionId = 'test_session', customerId = 'test_9876543210', customerName = 'Asha';
        const circleId = 'test', tenantId = 'test', phone = '9876543210';
        const ws = new WebSocket(
          `ws://127.0.0.1:\(server.port)/parties/collaborative_order/${sessionId}`
        );
        ws.onopen = () => {
          ws.send(JSON.stringify({
            type: 'join', participantId: customerId, participantName: customerName, timestamp: Date.now(),
            data: { circleId, tenantId, phone }
          }));
        };
        ws.onmessage = (event) => {
          const msg = JSON.parse(event.data);
          if (msg.type === 'participant_joined') {
            ws.send(JSON.stringify({
              type: 'add_item', participantId: customerId, participantName: customerName, timestamp: Date.now(),
              data: { dishName: 'Chicken Biryani', dishType: 'non-veg', quantity: 2, price: 299 }
            }));
          }
          if (msg.type === 'item_added') { console.log(JSON.stringify(msg.data.item)); ws.close(); }
        };
        ws.onerror = (event) => { console.log('error ' + event.message); };
        ws.onclose = (event) => { console.log('closed ' + event.code); };
        """
      let child = try ChildProcess(
        "/usr/bin/node", ["-e", script], environment: ["NODE_PATH": "/usr/share/nodejs"])
      let item = try JSON(parsing: try await child.line { _ in true })
      #expect(item["dishName"] == "Chicken Biryani")
      #expect(item["itemTotal"] == 598)
      #expect(try await child.line { $0.hasPrefix("closed") }.hasPrefix("closed 100"))
      #expect(await child.exit == .code(0))
    }
  }
}
