/** What happens where the page cannot go on: it crashed, hangs, or could not be loaded. The dialogs are the system's. */
import { dialog, type BrowserWindow, type MessageBoxOptions } from 'electron'
import { CrashCounter, pageCrashed, startedAfresh } from './crashes.ts'
import type { KigoError } from '../contract/errors.ts'
import { log } from './log.ts'

export interface PageHealthOptions {
  load: () => void
  /** Has the page that is there asked for anything? Its script does so as soon as it runs. */
  hasSpoken: () => boolean
  /** The page that was there is gone: nobody listens until the next one speaks. */
  onGone: () => void
  /** The next page starts with a new chat: the one that was on screen may be what ends it. */
  onAfresh: () => void
  /** For the next page's alerts. */
  tell: (error: KigoError) => void
  openLogs: () => void
  quit: () => void
}

/** -3 is a load that another one took the place of. */
const ABORTED = -3

export function watchPage(window: BrowserWindow, options: PageHealthOptions): void {
  const crashes = new CrashCounter()
  const { webContents } = window

  const afresh = (why: string): void => {
    crashes.forget()
    options.onAfresh()
    options.tell(startedAfresh(why))
    options.load()
  }

  /** Asks until the answer is not the log. */
  const ask = async (question: MessageBoxOptions, again: () => void): Promise<void> => {
    for (;;) {
      const { response } = await dialog.showMessageBox(window, question)
      if (window.isDestroyed()) return
      const answer = question.buttons?.[response]
      if (answer === OPEN_LOGS) options.openLogs()
      else if (answer === QUIT) return options.quit()
      else return again()
    }
  }

  webContents.on('render-process-gone', (_event, { reason, exitCode }) => {
    if (reason === 'clean-exit') return
    log.error('The page’s process is gone:', reason, exitCode)
    options.onGone()
    if (hung) {
      hung = false
      return afresh('The window’s page did not answer and was ended.')
    }
    if (crashes.again(Date.now())) {
      options.tell(pageCrashed(reason))
      return options.load()
    }
    log.error('The page crashed too often to be started again by itself')
    void ask(
      {
        type: 'error',
        message: 'Kigo’s window crashed four times within a minute.',
        detail: `Its chats are kept as long as Kigo runs. The one that was on screen may be the cause (${reason}), so the window starts with a new one.`,
        buttons: ['Start with a new chat', OPEN_LOGS, QUIT],
        defaultId: 0,
        cancelId: 0,
        noLink: true,
      },
      () => afresh('The window’s page crashed four times within a minute.'),
    )
  })

  // ---- hanging
  let hung = false
  let asked: AbortController | null = null
  webContents.on('unresponsive', () => {
    log.error('The page does not answer')
    asked?.abort()
    const { signal } = (asked = new AbortController())
    void dialog
      .showMessageBox(window, {
        type: 'warning',
        message: 'Kigo’s window does not answer.',
        detail: 'It may be busy with something large. Its chats are kept as long as Kigo runs.',
        buttons: ['Wait', 'Start it again'],
        defaultId: 0,
        cancelId: 0,
        noLink: true,
        signal,
      })
      .then(({ response }) => {
        if (signal.aborted || response !== 1 || window.isDestroyed()) return
        hung = true
        webContents.forcefullyCrashRenderer()
      })
  })
  webContents.on('responsive', () => {
    log.info('The page answers again')
    asked?.abort()
  })

  // ---- not loading
  const failed = (what: string): void => {
    log.error('The page could not be loaded:', what)
    options.onGone()
    void ask(
      {
        type: 'error',
        message: 'Kigo’s window could not be loaded.',
        detail: `${what}\nIf it happens again, the installation is damaged: install Kigo anew.`,
        buttons: ['Try again', OPEN_LOGS, QUIT],
        defaultId: 0,
        cancelId: 0,
        noLink: true,
      },
      options.load,
    )
  }
  webContents.on('did-fail-load', (_event, code, description, url, isMainFrame) => {
    if (isMainFrame && code !== ABORTED) failed(`${description || 'No answer'} (${code}), ${url}`)
  })
  webContents.on('did-navigate', options.onGone)
  webContents.on('did-finish-load', () => {
    // The answer comes behind whatever the page's script has asked.
    void webContents.executeJavaScript('0').then(
      () => {
        if (!window.isDestroyed() && !options.hasSpoken()) failed('Its script did not run.')
      },
      () => {}, // it crashed meanwhile
    )
  })
  webContents.on('preload-error', (_event, file, error) => failed(`${file}: ${error.message}`))
}

const OPEN_LOGS = 'Open logs'
const QUIT = 'Quit Kigo'
