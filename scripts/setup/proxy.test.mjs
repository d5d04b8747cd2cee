import { describe, expect, it, test } from 'vitest'
import { proxyEnvironment, proxyFor } from './proxy.mjs'

const A = 'http://a:3128'
const B = 'http://b:3128'
const PROXIES = [
  ['https://x.org/f', { HTTPS_PROXY: A, HTTP_PROXY: B }, A],
  ['http://x.org/f', { HTTPS_PROXY: A, HTTP_PROXY: B }, B],
  ['https://x.org/f', { https_proxy: A, HTTPS_PROXY: B }, A],
  ['https://x.org/f', { HTTP_PROXY: A }, null],
  ['https://x.org/f', { ALL_PROXY: A }, A],
  ['http://x.org/f', { all_proxy: A }, A],
  ['https://x.org/f', { npm_config_https_proxy: A, npm_config_proxy: B }, A],
  ['https://x.org/f', { npm_config_proxy: A }, A],
  ['http://x.org/f', { npm_config_proxy: A }, A],
  ['https://x.org/f', { HTTPS_PROXY: A, npm_config_https_proxy: B }, A],
  ['https://x.org/f', { HTTPS_PROXY: 'a:3128' }, A],
  ['https://x.org/f', { HTTPS_PROXY: 'https://a' }, 'https://a'],
  ['https://x.org/f', { HTTPS_PROXY: '' }, null],
  ['https://x.org/f', {}, null],
]
test.each(PROXIES)('%s with %j goes by %s', (url, env, proxy) => {
  expect(proxyFor(url, env)?.href ?? null).toBe(proxy && `${proxy}/`)
})

const EXEMPT = [
  ['x.org', true],
  ['X.ORG', true],
  ['.x.org', true],
  ['*.x.org', true],
  ['*', true],
  ['y.org x.org', true],
  ['y.org,x.org', true],
  ['x.org:443', true],
  ['x.org:80', false],
  ['org', true],
  ['ax.org', false],
  ['rg', false],
  ['y.org', false],
  ['', false],
]
test.each(EXEMPT)('NO_PROXY=%s exempts files.x.org: %s', (list, exempt) => {
  const through = (env) => proxyFor('https://files.x.org/f', { HTTPS_PROXY: A, ...env }) !== null
  expect(through({ NO_PROXY: list })).toBe(!exempt)
  expect(through({ no_proxy: list })).toBe(!exempt)
  expect(through({ npm_config_noproxy: list })).toBe(!exempt)
})

test.each(['::1', '[::1]', '[::1]:8080'])('NO_PROXY=%s exempts that address', (list) => {
  expect(proxyFor('http://[::1]:8080/f', { HTTP_PROXY: A, NO_PROXY: list })).toBeNull()
  expect(proxyFor('http://[::2]:8080/f', { HTTP_PROXY: A, NO_PROXY: list })).not.toBeNull()
})

test.each(['socks5://a:1080', 'http://', 'a b'])('a proxy %s is refused in words', (address) => {
  expect(() => proxyFor('https://x.org', { HTTPS_PROXY: address })).toThrow('no http:// or https:// address')
})

describe('a program that knows the usual variables alone', () => {
  it('is told what npm was told', () => {
    const env = { npm_config_proxy: A, npm_config_https_proxy: B, npm_config_noproxy: 'x.org, y.org' }
    expect(proxyEnvironment(env)).toEqual({
      HTTP_PROXY: A,
      http_proxy: A,
      HTTPS_PROXY: B,
      https_proxy: B,
      NO_PROXY: 'x.org,y.org',
      no_proxy: 'x.org,y.org',
    })
    expect(proxyEnvironment({})).toEqual({})
  })
})
