/** Which file answers a URL of the page's scheme, and with which headers. No Electron: tested under Node. */
import path from 'node:path'

export const APP_SCHEME = 'app'
export const APP_HOST = 'kigo'
export const APP_URL = `${APP_SCHEME}://${APP_HOST}/`

/** Scripts and styles only from files of ours; style attributes are set through the DOM, which needs no rule. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self'",
  "connect-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  // No text becomes markup or code: what would (innerHTML, a script's address) takes no strings, and nothing makes more.
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

export const HEADERS: Record<string, string> = {
  'Content-Security-Policy': CONTENT_SECURITY_POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
}

export function mimeType(file: string): string {
  return TYPES[path.extname(file).toLowerCase()] ?? 'application/octet-stream'
}

/** The file below `folder` that `url` names, or null for another host, a path that leaves it, or nonsense. */
export function fileForUrl(folder: string, url: string): string | null {
  if (!isAppUrl(url)) return null
  let name: string
  try {
    name = decodeURIComponent(new URL(url).pathname)
  } catch {
    return null
  }
  if (name.includes('\0') || name.includes('\\')) return null
  const root = path.resolve(folder)
  const file = path.resolve(root, `.${name.endsWith('/') ? `${name}index.html` : name}`)
  return file.startsWith(root + path.sep) ? file : null
}

/** Is this an address of the app's own page? */
export function isAppUrl(url: string): boolean {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    return false
  }
  return (
    parsed.protocol === `${APP_SCHEME}:` && parsed.host === APP_HOST && !parsed.username && !parsed.password
  )
}
