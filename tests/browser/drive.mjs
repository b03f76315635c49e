// node drive.mjs <chromium> <origin of the pages> <host of the API> <page> ...: what each page found, as JSON lines.
import { chromium } from 'playwright-core'

const [executablePath, origin, host, ...pages] = process.argv.slice(2)
const browser = await chromium.launch({
  executablePath,
  args: [
    '--no-sandbox',
    '--ignore-certificate-errors',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync'
  ]
})
try {
  for (const name of pages) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true })
    const page = await context.newPage()
    const requests = []
    const complaints = []
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(String(error)))
    const elsewhere = new Set()
    page.on('request', (request) => {
      const to = new URL(request.url()).host
      if (to !== host && to !== new URL(origin).host) elsewhere.add(to)
    })
    page.on('response', (answer) => {
      if (answer.url().includes(host)) requests.push([answer.request().method(), new URL(answer.url()).pathname, answer.status()])
    })
    await page.addInitScript(() => { window.delivered = window.refused = 0 })
    // Faults that the embedded cloud is to show from now on.
    await page.exposeFunction('fault', (shares) => fetch(`${process.env.AWS_URL}/_local/faults`, { method: 'POST', body: JSON.stringify(shares) }).then(() => null))
    page.on('response', (answer) => {
      if (!answer.url().includes(`${host}/v1/`) || answer.request().method() !== 'POST') return
      page.evaluate((name) => { window[name]++ }, answer.ok() ? 'delivered' : 'refused').catch(() => {})
    })
    await page.goto(`${origin}/${name}.html?host=${host}`)
    const found = await page.evaluate(() => window.tried.then((value) => value, (error) => ({ error: String(error.stack || error) })))
    console.log(JSON.stringify({ page: name, found, requests, complaints, elsewhere: [...elsewhere] }))
    await context.close()
  }
} finally {
  await browser.close()
}
