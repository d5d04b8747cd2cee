/** Opens a link of the page in the system's own program: where a person asked for it, and has seen where it goes. */
import { clipboard, dialog, shell, type BrowserWindow, type WebContents } from 'electron'
import { readLink } from './links.ts'
import { log } from './log.ts'

/** A window is asked for at once after the key or the click that wants it. */
const GESTURE_MS = 1000
/** Of the system's own input: the page cannot make these up. */
const GESTURES = new Set(['mouseDown', 'mouseUp', 'keyDown', 'rawKeyDown', 'gestureTap', 'touchEnd'])

export interface Links {
  /** From now on this window's input is looked at. */
  watch(window: BrowserWindow): void
  /** The page of `contents` asks for a window with this address. One gesture opens one link. */
  wanted(contents: WebContents, url: string): void
}

export function createLinks(): Links {
  let window: BrowserWindow | null = null
  let gesture = -Infinity
  let asking = false

  const open = async (parent: BrowserWindow, text: string): Promise<void> => {
    const link = readLink(text)
    if ('refusal' in link) {
      log.warn('A link was not opened, because', link.refusal, text.slice(0, 200))
      await dialog.showMessageBox(parent, {
        type: 'info',
        message: `Kigo does not open this link: ${link.refusal}.`,
        detail: text.slice(0, 200),
        buttons: ['Close'],
      })
      return
    }
    const { response } = await dialog.showMessageBox(parent, {
      type: 'question',
      message: link.url.startsWith('mailto:') ? 'Write a mail?' : 'Open this link in the browser?',
      detail: link.shown,
      buttons: ['Open', 'Copy', 'Cancel'],
      defaultId: 0,
      cancelId: 2,
      noLink: true,
    })
    if (response === 0) await shell.openExternal(link.url)
    if (response === 1) await clipboard.writeText(link.url)
  }

  return {
    watch(watched) {
      window = watched
      watched.webContents.on('input-event', (_event, input) => {
        if (GESTURES.has(input.type)) gesture = performance.now()
      })
    },
    wanted(contents, url) {
      const byPerson = performance.now() - gesture < GESTURE_MS
      gesture = -Infinity
      if (!byPerson || asking || !window || window.isDestroyed() || contents !== window.webContents) {
        log.warn('A link that nobody clicked was not opened:', url.slice(0, 200))
        return
      }
      asking = true
      open(window, url)
        .catch((error: unknown) => log.warn('The system could not open a link:', url.slice(0, 200), error))
        .finally(() => (asking = false))
    },
  }
}
