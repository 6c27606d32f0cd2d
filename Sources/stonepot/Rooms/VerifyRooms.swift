import ArgumentParser
import Foundation
import Ordering
import RoomCore
import Rooms
import Store

struct VerifyRooms: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check a data file, a line for each thing that is wrong; it is only read.",
    discussion: """
      Example: stonepot rooms verify --store sqlite:data/stonepot.sqlite

      Exit codes: 0 nothing is wrong; 1 there are findings; 2 the file cannot be opened or read; 64 wrong usage.
      """)

  @OptionGroup var store: StoreOption

  @Argument(help: "The room's name; all rooms, if none is given.")
  var room: String?

  func run() async throws {
    var verification: StoreVerification<OrderLogic>
    do {
      let store = try await store.open(.readOnly)
      verification = StoreVerification(store) { print($0) }
      let only = try room.map { name in
        guard let id = RoomID(name) else { throw StartFailure(message: "there is no room \(name)") }
        return id
      }
      try await verification.run(only: only)
      await store.close()
    } catch {
      let message = (error as? StoreError)?.message ?? "\(error)"
      FileHandle.standardError.write(Data("Error: \(message)\n".utf8))
      throw ExitCode(2)
    }
    print(verification.summary)
    if verification.findings > 0 { throw ExitCode.failure }
  }
}
