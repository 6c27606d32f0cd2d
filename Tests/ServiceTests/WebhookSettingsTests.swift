import Service
import Testing

@Suite("What sending webhooks takes")
struct WebhookSettingsTests {
  private let settings = WebhookSettings()

  @Test("a lease outlasts an attempt, with time for the store to fail over and for clocks that differ")
  func lease() { #expect(settings.attemptLimit + .seconds(30) <= settings.lease) }

  @Test("one endpoint that stalls leaves others most of the attempts")
  func share() { #expect(4 * settings.concurrencyPerEndpoint <= settings.concurrency) }

  @Test("what is kept of an answer is part of what is read")
  func answers() { #expect(settings.keptAnswerBytes <= settings.maxAnswerBytes) }

  @Test("public addresses and TLS are asked for, unless somebody says otherwise")
  func careful() { #expect(!settings.allowsPrivateAddresses && settings.authority == nil) }

  @Test("a receiver may be away for three days")
  func patience() {
    let total = settings.schedule.delays.reduce(Duration.zero, +)
    #expect(total * (1 - settings.schedule.jitter) > .seconds(2 * 24 * 3600) && total > .seconds(3 * 24 * 3600))
  }
}
