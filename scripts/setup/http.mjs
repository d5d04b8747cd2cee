/** GET over HTTP and HTTPS, by way of a proxy where the environment names one: Node 20's fetch knows none. */
import http from 'node:http'
import https from 'node:https'
import { DEFAULT_PORTS, proxyFor } from './proxy.mjs'

const REDIRECTS = [301, 302, 303, 307, 308]

/**
 * Follows redirects.
 * @param {string | URL} url
 * @param {{headers?: Record<string, string>, signal?: AbortSignal, redirects?: number}} options
 * @returns {Promise<http.IncomingMessage>} with its body still to come
 */
export async function get(url, { headers = {}, signal, redirects = 5 } = {}) {
  const target = new URL(url)
  const response = await answer(await request(target, headers, signal))
  const { location } = response.headers
  if (!REDIRECTS.includes(response.statusCode) || !location) return response
  response.destroy()
  const next = new URL(location, target)
  if (target.protocol === 'https:' && next.protocol !== 'https:')
    throw new Error('the server leads to an address that is not encrypted')
  if (redirects === 0) throw new Error('the server leads from one address to the next without end')
  return get(next, { headers, signal, redirects: redirects - 1 })
}

async function request(url, headers, signal) {
  const proxy = proxyFor(url)
  const options = { headers, signal, agent: false }
  if (url.protocol === 'https:')
    return https.get(url, proxy ? { ...options, socket: await tunnel(proxy, url, signal) } : options)
  if (url.protocol !== 'http:') throw new Error(`${url.protocol} is no address to download from`)
  if (!proxy) return http.get(url, options)
  // The proxy is asked for the whole address.
  return client(proxy).get({
    ...toProxy(proxy),
    ...options,
    path: url.href,
    headers: { ...headers, host: url.host, ...authorization(proxy) },
  })
}

/** A connection to the host of `url` through `proxy`, which sees nothing of what goes over it. */
async function tunnel(proxy, url, signal) {
  const host = `${url.hostname}:${url.port || DEFAULT_PORTS[url.protocol]}`
  const asked = client(proxy).request({
    ...toProxy(proxy),
    signal,
    agent: false,
    method: 'CONNECT',
    path: host,
    headers: { host, ...authorization(proxy) },
  })
  asked.end()
  return new Promise((done, fail) => {
    asked.once('connect', ({ statusCode }, socket) => {
      if (statusCode === 200) return done(socket)
      socket.destroy()
      fail(new Error(`the proxy ${proxy.hostname} answered ${statusCode}`))
    })
    asked.once('response', ({ statusCode }) => fail(new Error(`the proxy answered ${statusCode}`)))
    asked.once('error', fail)
  })
}

const client = (proxy) => (proxy.protocol === 'https:' ? https : http)

function toProxy({ protocol, hostname, port }) {
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port || DEFAULT_PORTS[protocol] }
}

function authorization({ username, password }) {
  if (!username) return {}
  const words = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(words).toString('base64')}` }
}

function answer(asked) {
  return new Promise((done, fail) => {
    asked.once('response', done)
    asked.once('error', fail)
  })
}
