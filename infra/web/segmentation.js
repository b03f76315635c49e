// Tracks, identifies and personalizes, without dependencies. Serve this file, or paste it:
//
//   import { connect } from './segmentation.js'
//   const visitor = connect({ host: 'https://api.shop.example', key: '<write key>', token: '<personalization token>' })
//   visitor.track('Order Completed', { order_id: 'o1', total: 30 })
//   visitor.identify('customer 7', { plan: 'pro' })
//   const { segments, attributes } = await visitor.profile()
//   const { hero } = await visitor.personalize('shop_db', 'pageviews', { path: location.pathname })
//
// Calls are plain text to the browser, so they cost no preflight. Each has an id, and is sent again under it after a
// failure, so it counts once. `id` names the identity that the visitor's own id is (default: td_client_id).

const KEPT = 'segmentation_id'
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000))

function kept(make) {
  try {
    return localStorage[KEPT] || (localStorage[KEPT] = make())
  } catch {
    return make() // storage is blocked: known for this page only
  }
}

async function ask(url, options = () => ({}), tries = 4) {
  for (let wait = 1; ; wait *= 2) {
    const answer = await fetch(url, options()).catch(() => null)
    if (answer && answer.ok) return answer.json()
    const again = !answer || answer.status === 429 || answer.status > 499
    if (!again || !--tries) throw Error(answer ? (await answer.json().catch(() => answer)).message || answer.status : 'network')
    await pause(Number(answer && answer.headers.get('retry-after')) || wait)
  }
}

export function connect({ host, key, token, id = 'td_client_id' }) {
  const anonymousId = kept(() => crypto.randomUUID())
  let userId
  const call = (type, more) => {
    const page = { url: location.href, path: location.pathname, title: document.title, referrer: document.referrer }
    const said = { type, anonymousId, userId, messageId: crypto.randomUUID(), timestamp: new Date(), writeKey: key, context: { page }, ...more }
    // `sentAt` is that of each attempt: by it the clock is put right.
    return ask(`${host}/v1/${type}`, () => ({ method: 'POST', body: JSON.stringify({ ...said, sentAt: new Date() }), keepalive: true }))
  }
  return {
    anonymousId,
    track: (event, properties = {}) => call('track', { event, properties }),
    page: (name, properties = {}) => call('page', { name, properties }),
    identify: (user, traits = {}) => call('identify', { userId: (userId = user), traits }),
    profile: () => ask(`${host}/v1/profiles/${id}/${anonymousId}?token=${encodeURIComponent(token)}`),
    personalize: async (database, table, record = {}) => {
      const headers = { Authorization: `TD1 ${key}`, 'WP13n-Token': token, 'Content-Type': 'application/json' }
      const body = JSON.stringify({ [id]: anonymousId, ...record })
      return (await ask(`${host}/public/${database}/${table}`, () => ({ method: 'POST', headers, body }))).offers
    }
  }
}
