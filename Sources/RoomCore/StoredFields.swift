public import JSONText

extension JSONWriter {
  public mutating func field(_ key: StaticString, _ value: some Storable) {
    self.key(key)
    value.write(to: &self)
  }
}

extension Array: Storable where Element: Storable {
  public func write(to writer: inout JSONWriter) {
    writer.beginArray()
    for value in self { value.write(to: &writer) }
    writer.endArray()
  }

  public static func read(from reader: inout JSONReader) throws(JSONError) -> [Element] {
    var values: [Element] = []
    try reader.beginArray()
    while try reader.nextElement() { values.append(try Element.read(from: &reader)) }
    return values
  }
}
