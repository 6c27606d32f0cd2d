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
    var findings = 0
    do {
      try await store.withStore { store in
        guard let store = store as? SQLiteStore else {
          throw StartFailure(message: "only a store in a file can be verified")
        }
        var verification = StoreVerification<OrderLogic>(store) { print($0) }
        try await verification.run(only: try room.map(roomID))
        print(verification.summary)
        findings = verification.findings
      }
    } catch {
      FileHandle.standardError.write(Data("Error: \(error)\n".utf8))
      throw ExitCode(2)
    }
    if findings > 0 { throw ExitCode.failure }
  }
}
