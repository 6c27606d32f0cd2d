extension RoomHistory {
  /// All that its clients did and saw, one JSON object a line, with the milliseconds since `start`. Names hold nothing that
  /// JSON would have to escape.
  package func lines(since start: UInt64) -> String {
    var text = ""
    for (number, client) in clients.enumerated() {
      for entry in client.entries {
        let nanoseconds = Int64(bitPattern: entry.time &- start)
        text +=
          #"{"ms":\#(Double(nanoseconds / 1000) / 1000),"room":"\#(name)","client":\#(number),\#(entry.what.fields)}"#
        text += "\n"
      }
    }
    for event in outcome.journal {
      text += #"{"room":"\#(name)","what":"journal",\#(event.fields)}"# + "\n"
    }
    return text
  }
}

extension Observation {
  fileprivate var fields: String {
    switch self {
    case .due(let number): #""what":"due","operation":\#(number)"#
    case .sent(let number): #""what":"sent","operation":\#(number)"#
    case .acknowledged(let number, let position): #""what":"acknowledged","operation":\#(number),"seq":\#(position)"#
    case .refused(let number, let code, let isFinal):
      #""what":"refused","operation":\#(number.map(String.init) ?? "null"),"code":"\#(code)","final":\#(isFinal)"#
    case .saw(let event): #""what":"saw",\#(event.fields)"#
    case .state(let position): #""what":"state","seq":\#(position)"#
    case .resumed(let since, let head): #""what":"resumed","since":\#(since),"seq":\#(head)"#
    case .dialed(let gateway): #""what":"dialed","gateway":\#(gateway)"#
    case .opened: #""what":"opened""#
    case .closed(let code): #""what":"closed","code":\#(code.map(String.init) ?? "null")"#
    case .failed(let reason):
      #""what":"failed","reason":"\#(reason.filter { $0.isASCII && $0 != "\"" && $0 != "\\" })""#
    }
  }
}

extension RoomEvent {
  fileprivate var fields: String {
    let cause = operation.map { #","by":\#($0.client),"operation":\#($0.number)"# } ?? ""
    return #""seq":\#(position)\#(cause),"digest":"\#(String(digest, radix: 16))""#
  }
}
