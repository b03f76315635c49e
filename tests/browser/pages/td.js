// A site with Treasure Data's SDK.
import Treasure from 'td-js-sdk'

const settings = new URLSearchParams(location.search)
const host = settings.get('host')

const promised = (start) => new Promise((resolve, reject) => start(resolve, (error) => reject(Error(String(error)))))

window.tried = (async () => {
  const td = new Treasure({ database: 'shop_db', writeKey: 'write-key', host, cdpHost: host, startInSignedMode: true })
  const visitor = td.client.track.uuid
  const found = { visitor, before: null, event: null, after: null, offers: null, refused: null, anonymous: null }
  td.set('$global', 'td_client_id', visitor)
  const ask = (token) => promised((ok, bad) => td.fetchUserSegments({ audienceToken: token, keys: { td_client_id: visitor } }, ok, bad))
  found.before = await ask(['site-token', 'other-token'])
  found.event = await promised((ok, bad) => td.trackEvent('pageviews', { department: 'books & more' }, ok, bad))
  const place = { endpoint: host, database: 'shop_db', table: 'pageviews', token: 'site-token' }
  found.offers = await promised((ok, bad) => td.fetchPersonalization(place, { td_client_id: visitor, department: 'toys' }, ok, bad))
  for (let tries = 0; tries < 100; tries++) {
    found.after = await ask('site-token')
    if (found.after.length && found.after[0].values.includes('readers')) break
    await new Promise((done) => setTimeout(done, 100))
  }
  found.refused = await ask('nobody').catch((error) => error.message)
  td.setAnonymousMode(true)
  found.anonymous = await promised((ok, bad) => td.trackEvent('pageviews', {}, ok, bad))
  return found
})()
