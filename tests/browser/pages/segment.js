// A site with Segment's client.
import { AnalyticsBrowser } from '@segment/analytics-next'

// What the client reports of itself it sends every half minute: here at once.
const later = window.setTimeout
window.setTimeout = (act, wait, ...rest) => later(act, wait === 30000 ? 300 : wait, ...rest)

const host = new URLSearchParams(location.search).get('host')

window.tried = (async () => {
  const analytics = AnalyticsBrowser.load({ writeKey: 'write-key', cdnURL: `https://${host}` })
  const visitor = (await analytics.user()).anonymousId()
  const settled = async (context) => ({ type: (await context).event.type, id: (await context).event.messageId })
  const sent = [
    await settled(analytics.page('Home')),
    await settled(analytics.track('Clicked', { department: 'books', amount: 2 })),
    await settled(analytics.identify('7', { plan: 'pro' }))
  ]
  // The client answers before its queue is empty.
  for (let tries = 0; tries < 100 && window.delivered < 3; tries++) await new Promise((done) => setTimeout(done, 100))
  // What the stream does not take is refused, and sent again until it is taken.
  await window.fault({ kinesis: 1 })
  const again = analytics.track('Clicked again', { department: 'books' })
  for (let tries = 0; tries < 300 && window.refused < 1; tries++) await new Promise((done) => setTimeout(done, 100))
  await window.fault({})
  sent.push(await Promise.race([settled(again), new Promise((done) => setTimeout(() => done({ id: "never sent again" }), 60000))]))
  for (let tries = 0; tries < 200 && window.delivered < 4; tries++) await new Promise((done) => setTimeout(done, 100))
  await new Promise((done) => setTimeout(done, 500))
  return { visitor, sent, refused: window.refused }
})()
