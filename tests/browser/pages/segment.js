// A site with Segment's client.
import { AnalyticsBrowser } from '@segment/analytics-next'

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
  return { visitor, sent }
})()
