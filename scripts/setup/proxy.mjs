/** The proxy that the environment names: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in either case, or npm's. */

/**
 * @param {string | URL} url
 * @returns {URL | null} null: straight to it
 * @throws Error in plain words where the variable holds no address of a proxy for the web
 */
export function proxyFor(url, env = process.env) {
  const { protocol, hostname, port } = new URL(url)
  const { http, https, no } = settings(env)
  const address = protocol === 'https:' ? https : http
  if (!address || no.some((entry) => matches(entry, hostname, port || DEFAULT_PORTS[protocol]))) return null
  const full = address.includes('://') ? address : `http://${address}`
  const proxy = URL.canParse(full) ? new URL(full) : null
  if (!proxy || !Object.hasOwn(DEFAULT_PORTS, proxy.protocol))
    throw new Error('the proxy that the environment names is no http:// or https:// address')
  return proxy
}

/** The same for programs that know the usual variables alone. */
export function proxyEnvironment(env = process.env) {
  const { http, https, no } = settings(env)
  return {
    ...(http && { HTTP_PROXY: http, http_proxy: http }),
    ...(https && { HTTPS_PROXY: https, https_proxy: https }),
    ...(no.length > 0 && { NO_PROXY: no.join(','), no_proxy: no.join(',') }),
  }
}

export const DEFAULT_PORTS = { 'http:': '80', 'https:': '443' }

function settings(env) {
  // What the environment says goes before what npm was told; npm has one for both.
  const first = (...names) => names.map((name) => env[name]?.trim()).find(Boolean)
  const all = ['all_proxy', 'ALL_PROXY']
  return {
    http: first('http_proxy', 'HTTP_PROXY', ...all, 'npm_config_proxy'),
    https: first('https_proxy', 'HTTPS_PROXY', ...all, 'npm_config_https_proxy', 'npm_config_proxy'),
    no: (first('no_proxy', 'NO_PROXY', 'npm_config_noproxy') ?? '').split(/[\s,]+/).filter(Boolean),
  }
}

/** `example.org` and `.example.org` stand for that host and those below it; `*` for all; a port may follow. */
function matches(entry, hostname, port) {
  const [, name, only] = /^(\[.*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? []
  if (name === undefined || (only && only !== port)) return false
  const domain = name.replace(/^\*?\./, '').replace(/^\[(.*)\]$/, '$1')
  const host = hostname.toLowerCase().replace(/^\[(.*)\]$/, '$1')
  return domain === '*' || host === domain || host.endsWith(`.${domain}`)
}
