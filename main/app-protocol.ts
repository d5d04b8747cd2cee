/**
 * The page's own scheme, app://kigo/: serves the files of dist/renderer and nothing else, each with a policy
 * that lets the page load only from there. There is no remote content at all.
 */
import { readFile } from 'node:fs/promises'
import { protocol, type Session } from 'electron'
import { APP_SCHEME, fileForUrl, HEADERS, mimeType } from './app-files.ts'

/** Before the app is ready. */
export function registerAppScheme(): void {
  protocol.registerSchemesAsPrivileged([
    {
      scheme: APP_SCHEME,
      privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true },
    },
  ])
}

export function serveApp(session: Session, folder: string): void {
  session.protocol.handle(APP_SCHEME, async (request) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405)
    const file = fileForUrl(folder, request.url)
    if (!file) return refuse(404)
    try {
      const bytes = await readFile(file)
      return new Response(new Uint8Array(bytes), { headers: { ...HEADERS, 'Content-Type': mimeType(file) } })
    } catch {
      return refuse(404)
    }
  })
}

function refuse(status: number): Response {
  return new Response(null, { status, headers: HEADERS })
}
