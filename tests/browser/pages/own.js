// A site with this repository's own module.
import { connect } from '../../../infra/web/segmentation.js'

const host = new URLSearchParams(location.search).get('host')

window.tried = (async () => {
  const visitor = connect({ host: `https://${host}`, key: 'write-key', token: 'site-token' })
  const tracked = await visitor.track('Clicked', { department: 'books' })
  const identified = await visitor.identify('8', { plan: 'basic' })
  const offers = await visitor.personalize('shop_db', 'pageviews', { department: 'toys' })
  let profile
  for (let tries = 0; tries < 100; tries++) {
    profile = await visitor.profile()
    if (profile.segments.length === 2) break
    await new Promise((done) => setTimeout(done, 100))
  }
  // What is sent again keeps the time at which it happened.
  await window.fault({ kinesis: 1 })
  const happened = Date.now() / 1000
  const late = visitor.track('Clicked late', { department: 'books' })
  for (let tries = 0; tries < 300 && window.refused < 2; tries++) await new Promise((done) => setTimeout(done, 100))
  await window.fault({})
  await late
  const stranger = connect({ host: `https://${host}`, key: 'nobody', token: 'nobody' })
  const refused = await stranger.track('x').catch((error) => error.message)
  return { visitor: visitor.anonymousId, tracked, identified, offers, profile, refused, happened }
})()
