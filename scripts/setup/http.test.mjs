import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { download, unreachable } from './fetch.mjs'
import { get } from './http.mjs'

const folder = mkdtempSync(join(tmpdir(), 'kigo-http-'))
const hasOpenssl = spawnSync('openssl', ['version']).status === 0

/** What the proxy was asked for, with its authorization. */
let asked = []
let denies = false
const proxy = createServer((request, response) => {
  asked.push([request.method, request.url, request.headers['proxy-authorization'] ?? null])
  if (request.url.endsWith('/moved')) return response.writeHead(302, { location: '/f' }).end()
  response.end(`for ${request.headers.host}`)
})
proxy.on('connect', (request, socket) => {
  asked.push([request.method, request.url, request.headers['proxy-authorization'] ?? null])
  if (denies) return socket.end('HTTP/1.1 407 No\r\n\r\n')
  const through = connect(secure.address().port, '127.0.0.1', () => {
    socket.write('HTTP/1.1 200 Yes\r\n\r\n')
    socket.pipe(through).pipe(socket)
  })
  through.on('error', () => socket.destroy())
  socket.on('error', () => through.destroy())
})
let secure

beforeAll(async () => {
  await new Promise((done) => proxy.listen(0, '127.0.0.1', done))
  if (!hasOpenssl) return
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const flags = ['-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-subj', '/CN=files.test']
  spawnSync('openssl', ['req', '-x509', '-days', '1', ...flags])
  secure = createSecureServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) =>
    request.url === '/plain'
      ? response.writeHead(302, { location: 'http://files.test/f' }).end()
      : response.end(`${request.headers.host} ${request.socket.servername}`),
  )
  await new Promise((done) => secure.listen(0, '127.0.0.1', done))
})
afterAll(() => {
  proxy.close()
  secure?.close()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  asked = []
  denies = false
  for (const name of ['http_proxy', 'https_proxy', 'no_proxy', 'NO_PROXY', 'all_proxy', 'ALL_PROXY'])
    vi.stubEnv(name, '')
  vi.stubEnv('HTTP_PROXY', address())
  vi.stubEnv('HTTPS_PROXY', address())
})
afterEach(() => vi.unstubAllEnvs())
const address = (who = '') => `http://${who}127.0.0.1:${proxy.address().port}`

describe('what is fetched by way of a proxy', () => {
  it('is asked of it by its whole address, under the name of its own host', async () => {
    const response = await get('http://files.test:81/a?b=c')
    expect(await text(response)).toBe('for files.test:81')
    expect(asked).toEqual([['GET', 'http://files.test:81/a?b=c', null]])
  })

  it('follows where it leads', async () => {
    expect(await text(await get('http://files.test/moved'))).toBe('for files.test')
    expect(asked.map(([, url]) => url)).toEqual(['http://files.test/moved', 'http://files.test/f'])
  })

  it('names the person to it', async () => {
    vi.stubEnv('HTTP_PROXY', address('me%40work:p%3Aw@'))
    await text(await get('http://files.test/'))
    expect(asked[0][2]).toBe(`Basic ${Buffer.from('me@work:p:w').toString('base64')}`)
  })

  it('is not asked of it where NO_PROXY names the host', async () => {
    vi.stubEnv('NO_PROXY', '127.0.0.1')
    expect(await text(await get(`${address()}/straight`))).toBe(`for ${new URL(address()).host}`)
    expect(asked).toEqual([['GET', '/straight', null]])
  })

  it('is told in words where the proxy is not there', async () => {
    vi.stubEnv('HTTPS_PROXY', 'http://127.0.0.1:1')
    expect(await unreachable('https://files.test/')).toMatch(/127\.0\.0\.1/)
    vi.stubEnv('HTTPS_PROXY', address())
    expect(await unreachable('https://files.test/')).toBeNull()
    vi.stubEnv('HTTPS_PROXY', 'socks5://127.0.0.1:1')
    expect(await unreachable('https://files.test/')).toMatch(/http:\/\/ or https:\/\//)
  })

  it('is told in words where the proxy denies it', async () => {
    denies = true
    const what = { label: 'test', bytes: 1, sha256: '' }
    await expect(download('https://files.test/f', join(folder, 'f'), what)).rejects.toThrow('answered 407')
  })
})

describe.skipIf(!hasOpenssl)('what is fetched encrypted by way of a proxy', () => {
  // The certificate that was made here is nobody's.
  beforeEach(() => vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0'))

  it('goes through a tunnel to its host, which is named in it', async () => {
    vi.stubEnv('HTTPS_PROXY', address('me:pw@'))
    expect(await text(await get('https://files.test/f'))).toBe('files.test files.test')
    expect(asked).toEqual([['CONNECT', 'files.test:443', `Basic ${Buffer.from('me:pw').toString('base64')}`]])
  })

  it('is refused where it leads to an address that is not encrypted', async () => {
    await expect(get('https://files.test/plain')).rejects.toThrow('not encrypted')
  })

  it('is refused where the certificate is nobody’s', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '1')
    await expect(get('https://files.test/f')).rejects.toThrow(/certificate/)
  })
})
