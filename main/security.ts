/** What a page may not do: everything that it does not need. Set up for every web contents that ever exists. */
import { app, type Session, shell, type WebFrameMain } from 'electron'
import { APP_SCHEME, APP_URL, isAppUrl } from './app-files.ts'
import { log } from './log.ts'

/** Before any window. As root Chromium has no sandbox and `enableSandbox` would hang, so it follows the switch. */
export function lockDown(): void {
  if (!app.commandLine.hasSwitch('no-sandbox')) app.enableSandbox()

  app.on('web-contents-created', (_event, contents) => {
    contents.on('will-navigate', (event) => {
      if (event.url === APP_URL) return // the page may reload itself
      event.preventDefault()
      void openLink(event.url)
    })
    contents.on('will-redirect', (event) => event.preventDefault())
    contents.on('will-attach-webview', (event) => event.preventDefault())
    contents.setWindowOpenHandler(({ url }) => {
      void openLink(url)
      return { action: 'deny' }
    })
  })
}

/** No permission is ever granted and nothing is fetched from anywhere but the app itself. */
export function lockSession(session: Session): void {
  session.setPermissionRequestHandler((_contents, _permission, callback) => callback(false))
  session.setPermissionCheckHandler(() => false)
  session.setDevicePermissionHandler(() => false)
  session.webRequest.onBeforeRequest((details, callback) => {
    const allowed = LOCAL_SCHEMES.has(schemeOf(details.url))
    if (!allowed) log.warn('A request to the network was refused:', details.url.slice(0, 200))
    callback({ cancel: !allowed })
  })
}

const LOCAL_SCHEMES = new Set([`${APP_SCHEME}:`, 'data:', 'blob:', 'devtools:'])

/** Is it the page itself, in its own main frame? */
export function isOwnFrame(frame: WebFrameMain | null): boolean {
  return frame !== null && frame.parent === null && isAppUrl(frame.url)
}

/** Opens web and mail links in the system's own program, after a look at the scheme; drops everything else. */
async function openLink(url: string): Promise<void> {
  if (!LINK_SCHEMES.has(schemeOf(url))) {
    if (!isAppUrl(url)) log.warn('A link was not opened:', url.slice(0, 200))
    return
  }
  try {
    await shell.openExternal(url)
  } catch (error) {
    log.warn('The system could not open a link:', url.slice(0, 200), error)
  }
}

const LINK_SCHEMES = new Set(['https:', 'http:', 'mailto:'])

function schemeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).protocol : ''
}
