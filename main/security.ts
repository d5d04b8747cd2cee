/** What a page may not do: everything that it does not need. Set up for every web contents that ever exists. */
import { app, type Session, type WebContents, type WebFrameMain } from 'electron'
import { APP_SCHEME, APP_URL, isAppUrl } from './app-files.ts'
import { log } from './log.ts'

/** Nobody listens there, and port 1 is never given out by itself: what goes to the network goes here. */
const DEAD_PROXY = 'socks5://127.0.0.1:1'

/**
 * Before any window. As root Chromium has no sandbox and `enableSandbox` would hang, so it follows the switch.
 * `onLink` is asked for each link that a page wants in a window of its own.
 */
export function lockDown(onLink: (contents: WebContents, url: string) => void): void {
  if (!app.commandLine.hasSwitch('no-sandbox')) app.enableSandbox()
  // No name is looked up either: a page may ask for one with <link rel=dns-prefetch>, past its policy.
  if (!app.commandLine.hasSwitch('host-resolver-rules'))
    app.commandLine.appendSwitch('host-resolver-rules', 'MAP * ~NOTFOUND')

  app.on('web-contents-created', (_event, contents) => {
    // The page may load itself again; a link that is meant to be opened asks for a window.
    const stay = (event: Electron.Event<{ url: string; isMainFrame: boolean }>): void => {
      if (!event.isMainFrame || event.url !== APP_URL) event.preventDefault()
    }
    contents.on('will-navigate', stay)
    contents.on('will-frame-navigate', stay)
    contents.on('will-redirect', (event) => event.preventDefault())
    contents.on('will-attach-webview', (event) => event.preventDefault())
    contents.setWindowOpenHandler(({ url }) => {
      onLink(contents, url)
      return { action: 'deny' }
    })
    // WebRTC heeds neither the page's policy nor onBeforeRequest: what is left of it goes through the dead proxy.
    contents.setWebRTCIPHandlingPolicy('disable_non_proxied_udp')
  })
}

/** Said once a start: as root Chromium runs without its sandbox, and a page that broke out would be root. */
export function warnWithoutSandbox(): void {
  if (app.commandLine.hasSwitch('no-sandbox'))
    log.warn('Chromium’s sandbox is off (--no-sandbox): run Kigo as a user without rights to have it.')
}

/** No permission is ever granted and nothing is fetched from anywhere but the app itself. */
export async function lockSession(session: Session): Promise<void> {
  session.setPermissionRequestHandler((_contents, _permission, callback) => callback(false))
  session.setPermissionCheckHandler(() => false)
  session.setDevicePermissionHandler(() => false)
  session.setDisplayMediaRequestHandler((_request, callback) => callback({}))
  session.on('will-download', (event) => event.preventDefault())
  session.webRequest.onBeforeRequest((details, callback) => {
    const allowed = LOCAL_SCHEMES.has(schemeOf(details.url))
    if (!allowed) log.warn('A request to the network was refused:', details.url.slice(0, 200))
    callback({ cancel: !allowed })
  })
  // Also for this computer itself, which Chromium would leave out.
  await session.setProxy({ mode: 'fixed_servers', proxyRules: DEAD_PROXY, proxyBypassRules: '<-loopback>' })
}

const LOCAL_SCHEMES = new Set([`${APP_SCHEME}:`, 'data:', 'blob:', 'devtools:'])

/** Is it the page itself, in its own main frame? */
export function isOwnFrame(frame: WebFrameMain | null): boolean {
  return frame !== null && frame.parent === null && isAppUrl(frame.url)
}

function schemeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).protocol : ''
}
