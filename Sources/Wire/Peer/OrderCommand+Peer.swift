import JSONText
public import Ordering
public import RoomCore

/// The form in which a command goes from a gateway to the owner of its room. Not the client's JSON, which cannot hold
/// every command: a command that no client can send, or that a rule will refuse, arrives as what it is, and with the
/// same fingerprint.
extension OrderCommand: PeerCommand {
  /// A released number is never given to another command.
  private enum Kind: UInt8 {
    case join = 1
    case leave = 2
    case addItem = 3
    case removeItem = 4
    case updateQuantity = 5
    case updateItem = 6
    case updateSplit = 7
    case finalize = 8
    case lock = 9
    case unlock = 10
    case cancel = 11
    case ready = 12
    case removeParticipant = 13
    case transferOwnership = 14
    case setDeadline = 15
    case setLimits = 16
    case setCharges = 17
    case undo = 18
  }

  private var kind: Kind {
    switch self {
    case .join: .join
    case .leave: .leave
    case .addItem: .addItem
    case .removeItem: .removeItem
    case .updateQuantity: .updateQuantity
    case .updateItem: .updateItem
    case .updateSplit: .updateSplit
    case .finalize: .finalize
    case .lock: .lock
    case .unlock: .unlock
    case .cancel: .cancel
    case .ready: .ready
    case .removeParticipant: .removeParticipant
    case .transferOwnership: .transferOwnership
    case .setDeadline: .setDeadline
    case .setLimits: .setLimits
    case .setCharges: .setCharges
    case .undo: .undo
    }
  }

  public func write(to writer: inout BinaryWriter) {
    writer.write(byte: kind.rawValue)
    switch self {
    case .join(let join):
      writer.write(join.name)
      writer.write(optional: join.tenant) { $0.write($1) }
      writer.write(optional: join.circle) { $0.write($1) }
      writer.write(optional: join.phone) { $0.write($1) }
      writer.write(join.warrant.rawValue)
    case .leave(let removeItems): writer.write(removeItems)
    case .addItem(let item):
      writer.write(optional: item.id) { $0.write($1) }
      writer.write(item.dishName)
      writer.write(item.dishType.rawValue)
      writer.write(item.quantity)
      writer.write(item.price)
      writer.write(optional: item.customization) { $0.write($1) }
    case .removeItem(let id): writer.write(id)
    case .updateQuantity(let id, let quantity):
      writer.write(id)
      writer.write(quantity)
    case .updateItem(let id, let change):
      writer.write(id)
      writer.write(optional: change.dishName) { $0.write($1) }
      writer.write(optional: change.dishType) { $0.write($1.rawValue) }
      writer.write(optional: change.quantity) { $0.write($1) }
      writer.write(optional: change.price) { $0.write($1) }
      writer.write(optional: change.customization) { $0.write($1) }
    case .updateSplit(let split): split.write(to: &writer)
    case .ready(let isReady): writer.write(isReady)
    case .removeParticipant(let participant, let removeItems):
      writer.write(participant.value)
      writer.write(removeItems)
    case .transferOwnership(let heir): writer.write(heir.value)
    case .setDeadline(let deadline): writer.write(optional: deadline) { $0.write(signed: $1.millis) }
    case .setLimits(let limits):
      writer.write(optional: limits.maxItems) { $0.write(signed: Int64($1)) }
      writer.write(optional: limits.maxParticipants) { $0.write(signed: Int64($1)) }
      writer.write(optional: limits.maxTotal) { $0.write($1) }
      writer.write(optional: limits.editing) { $0.write($1.rawValue) }
    case .setCharges(let charges):
      for charge in [charges.tax, charges.delivery, charges.tip, charges.discount] {
        writer.write(optional: charge) { writer, charge in
          writer.write(charge.amount)
          writer.write(optional: charge.allocation) { $0.write($1.rawValue) }
        }
      }
    case .finalize(let placement, let seen):
      writer.write(placement.rawValue)
      writer.write(optional: seen) { $0.write(signed: $1.number) }
    case .lock, .unlock, .cancel, .undo: break
    }
  }

  public static func read(from reader: inout BinaryReader) throws(BinaryError) -> OrderCommand {
    let byte = try reader.byte()
    guard let kind = Kind(rawValue: byte) else { throw BinaryError("\(byte) is no command") }
    switch kind {
    case .join:
      let name = try reader.text()
      let tenant = try reader.optionalText()
      let circle = try reader.optionalText()
      let phone = try reader.optionalText()
      return .join(
        Join(name: name, tenant: tenant, circle: circle, phone: phone, warrant: try reader.word(Warrant.self)))
    case .leave: return .leave(removeItems: try reader.flag())
    case .addItem: return .addItem(try NewItem(from: &reader))
    case .removeItem: return .removeItem(id: try reader.text())
    case .updateQuantity:
      let id = try reader.text()
      return .updateQuantity(id: id, quantity: try reader.decimal())
    case .updateItem:
      let id = try reader.text()
      return .updateItem(id: id, try ItemChange(from: &reader))
    case .updateSplit: return .updateSplit(try SplitRequest(from: &reader))
    case .finalize:
      let placement = try reader.word(Placement.self)
      let seen = try reader.optional { (reader) throws(BinaryError) in SequenceNumber(try reader.signed()) }
      return .finalize(placement, seen: seen)
    case .lock: return .lock
    case .unlock: return .unlock
    case .cancel: return .cancel
    case .ready: return .ready(try reader.flag())
    case .removeParticipant:
      let participant = ParticipantID(try reader.text())
      return .removeParticipant(participant, removeItems: try reader.flag())
    case .transferOwnership: return .transferOwnership(to: ParticipantID(try reader.text()))
    case .setDeadline:
      return .setDeadline(
        try reader.optional { (reader) throws(BinaryError) in Timestamp(millis: try reader.signed()) })
    case .setLimits: return .setLimits(try LimitsRequest(from: &reader))
    case .setCharges:
      var charges = ChargesRequest()
      charges.tax = try reader.optionalCharge()
      charges.delivery = try reader.optionalCharge()
      charges.tip = try reader.optionalCharge()
      charges.discount = try reader.optionalCharge()
      return .setCharges(charges)
    case .undo: return .undo
    }
  }
}

extension OrderCommand.NewItem {
  fileprivate init(from reader: inout BinaryReader) throws(BinaryError) {
    let id = try reader.optionalText()
    let dishName = try reader.text()
    let dishType = try reader.word(DishType.self)
    let quantity = try reader.decimal()
    let price = try reader.decimal()
    self.init(
      id: id, dishName: dishName, dishType: dishType, quantity: quantity, price: price,
      customization: try reader.optionalText())
  }
}

extension OrderCommand.ItemChange {
  fileprivate init(from reader: inout BinaryReader) throws(BinaryError) {
    let dishName = try reader.optionalText()
    let dishType = try reader.optionalWord(DishType.self)
    let quantity = try reader.optionalDecimal()
    let price = try reader.optionalDecimal()
    self.init(
      dishName: dishName, dishType: dishType, quantity: quantity, price: price,
      customization: try reader.optionalText())
  }
}

extension OrderCommand.LimitsRequest {
  fileprivate init(from reader: inout BinaryReader) throws(BinaryError) {
    let maxItems = try reader.optional { (reader) throws(BinaryError) in Int(try reader.signed()) }
    let maxParticipants = try reader.optional { (reader) throws(BinaryError) in Int(try reader.signed()) }
    let maxTotal = try reader.optionalDecimal()
    self.init(
      maxItems: maxItems, maxParticipants: maxParticipants, maxTotal: maxTotal,
      editing: try reader.optionalWord(EditingRule.self))
  }
}

extension OrderCommand.SplitRequest {
  private enum Kind: UInt8 {
    case equal = 1
    case itemized = 2
    case custom = 3
    case percentage = 4
    case shares = 5
  }

  fileprivate func write(to writer: inout BinaryWriter) {
    switch self {
    case .equal: writer.write(byte: Kind.equal.rawValue)
    case .itemized: writer.write(byte: Kind.itemized.rawValue)
    case .custom(let parts): writer.write(parts, as: Kind.custom.rawValue)
    case .percentage(let parts): writer.write(parts, as: Kind.percentage.rawValue)
    case .shares(let parts): writer.write(parts, as: Kind.shares.rawValue)
    }
  }

  fileprivate init(from reader: inout BinaryReader) throws(BinaryError) {
    let byte = try reader.byte()
    switch Kind(rawValue: byte) {
    case .equal: self = .equal
    case .itemized: self = .itemized
    case .custom: self = .custom(try reader.parts())
    case .percentage: self = .percentage(try reader.parts())
    case .shares: self = .shares(try reader.parts())
    case nil: throw BinaryError("\(byte) is no split")
    }
  }
}

extension BinaryWriter {
  fileprivate mutating func write(_ number: DecimalNumber) {
    write(signed: number.significand)
    write(signed: Int64(number.exponent))
  }

  /// Sorted by bytes, so that equal splits are equal bytes.
  fileprivate mutating func write(_ parts: [ParticipantID: DecimalNumber], as kind: UInt8) {
    write(byte: kind)
    write(count: parts.count)
    for (participant, number) in parts.sorted(by: { $0.key.value.utf8.lexicographicallyPrecedes($1.key.value.utf8) }) {
      write(participant.value)
      write(number)
    }
  }
}

extension BinaryReader {
  fileprivate mutating func optionalText() throws(BinaryError) -> String? {
    try optional { (reader) throws(BinaryError) in try reader.text() }
  }

  fileprivate mutating func word<Word: RawRepresentable<String>>(_: Word.Type) throws(BinaryError) -> Word {
    let text = try text(maxBytes: 64)
    guard let word = Word(rawValue: text) else { throw BinaryError("'\(text)' is no \(Word.self)") }
    return word
  }

  fileprivate mutating func optionalWord<Word: RawRepresentable<String>>(_: Word.Type) throws(BinaryError) -> Word? {
    try optional { (reader) throws(BinaryError) in try reader.word(Word.self) }
  }

  /// Takes a number in its one form only: significands without zeros at their end, as `DecimalNumber` has them.
  fileprivate mutating func decimal() throws(BinaryError) -> DecimalNumber {
    let significand = try signed()
    let exponent = Int(try signed())
    guard significand == 0 ? exponent == 0 : !significand.isMultiple(of: 10) else {
      throw BinaryError("\(significand) × 10^\(exponent) is not the shortest form of a number")
    }
    return DecimalNumber(significand: significand, exponent: exponent)
  }

  fileprivate mutating func optionalDecimal() throws(BinaryError) -> DecimalNumber? {
    try optional { (reader) throws(BinaryError) in try reader.decimal() }
  }

  fileprivate mutating func optionalCharge() throws(BinaryError) -> OrderCommand.ChargesRequest.Charge? {
    try optional { (reader) throws(BinaryError) in
      let amount = try reader.decimal()
      return OrderCommand.ChargesRequest.Charge(
        amount: amount, allocation: try reader.optionalWord(Allocation.self))
    }
  }

  fileprivate mutating func parts() throws(BinaryError) -> [ParticipantID: DecimalNumber] {
    var parts: [ParticipantID: DecimalNumber] = [:]
    for _ in 0..<(try count()) {
      let participant = ParticipantID(try text())
      guard parts.updateValue(try decimal(), forKey: participant) == nil else {
        throw BinaryError("a participant has two parts")
      }
    }
    return parts
  }
}
