import RoomCore
import Service
import Testing

@Suite("When a receiver wants to be left alone")
struct RetryAfterTests {
  /// Sun, 06 Nov 1994 08:49:37 GMT, and a half.
  private let now = Timestamp(millis: 784_111_777_500)

  @Test(
    "seconds, or a date",
    arguments: [
      ("0", Duration?.some(.zero)), ("120", .seconds(120)), ("007", .seconds(7)),
      ("99999999999999999999999", .seconds(1 << 40)), ("Sun, 06 Nov 1994 08:50:37 GMT", .milliseconds(59_500)),
      ("Sun, 06 Nov 1994 08:49:37 GMT", .zero), ("Wed, 21 Oct 2015 07:28:00 GMT", .milliseconds(661_300_702_500)),
    ])
  func understood(text: String, duration: Duration?) { #expect(RetryAfter.read(text, at: now) == duration) }

  @Test(
    "what is neither is as if nothing was said",
    arguments: [
      "", "-1", "1.5", " 5", "soon", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
      "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Foo 1994 08:49:37 GMT", "१२",
    ])
  func misunderstood(text: String) { #expect(RetryAfter.read(text, at: now) == nil) }
}
