import Membership
import Testing

/// SWIM §4.1.
@Suite("News")
struct DisseminationTests {
  @Test("each news is told as often as asked, what was told least first")
  func order() {
    var news = Dissemination<Int>()
    news.add(1)
    news.add(2)
    #expect(news.take(limit: 1, times: 2) == [1])
    news.add(3)
    #expect(news.take(limit: 2, times: 2) == [2, 3])
    #expect(news.take(limit: 2, times: 2) == [1, 2])
    #expect(news.take(limit: 2, times: 2) == [3])
    #expect(news.isEmpty)
  }

  @Test("newer news about a subject begins anew, and many at once are as one by one")
  func renewal() {
    var news = Dissemination<Int>()
    news.add([3, 1, 2])
    #expect(news.take(limit: 3, times: 3) == [1, 2, 3])
    news.add([2, 9])
    #expect(news.take(limit: 9, times: 2) == [2, 9, 1, 3])
    #expect(news.take(limit: 9, times: 2) == [2, 9])
    #expect(news.isEmpty)
  }
}
