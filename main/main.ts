/** Electron's main process: what is set up, in order. Each feature is one call; none of them blocks. */
import { accessSync, constants, mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import {
  app,
  ipcMain,
  Menu,
  nativeTheme,
  session,
  shell,
  utilityProcess,
  type BrowserWindow,
  type IpcMainEvent,
  type IpcMainInvokeEvent,
} from 'electron'
import { z } from 'zod'
import { KigoError } from '../contract/errors.ts'
import { DROP_CHANNEL, EVENT_CHANNEL, REQUEST_CHANNEL, type KigoEvent } from '../contract/ipc.ts'
import { registerAppScheme, serveApp } from './app-protocol.ts'
import { fileArgument, MAX_PATH, refusal, shortened, type GivenFile } from './arguments.ts'
import { attached } from './attached.ts'
import { Conversations } from './chat/conversations.ts'
import { LoadedModel } from './chat/loaded-model.ts'
import { Occupancy } from './chat/occupancy.ts'
import { Replies } from './chat/replies.ts'
import { Streams } from './chat/streams.ts'
import { loadEngine } from './engine/index.ts'
import { childTrouble } from './crashes.ts'
import { haikuInputs } from './haiku-inputs.ts'
import { runHaiku } from './haiku/index.ts'
import { appHandlers } from './ipc/app.ts'
import { chatHandlers } from './ipc/chat.ts'
import { devicesHandlers } from './ipc/devices.ts'
import { haikuHandlers } from './ipc/haiku.ts'
import { modelHandlers } from './ipc/model.ts'
import { createRouter } from './ipc/router.ts'
import { settingsHandlers } from './ipc/settings.ts'
import { streamHandlers } from './ipc/stream.ts'
import { electronLauncher } from './isolated/electron-launcher.ts'
import { createIsolation } from './isolated/run-isolated.ts'
import { limited } from './limit.ts'
import { log, openLog } from './log.ts'
import { buildMenu } from './menu.ts'
import { bundledModel } from './models/bundled.ts'
import { CurrentModel } from './models/current.ts'
import { pickModel } from './models/dialogs.ts'
import { createGrantedPaths } from './models/granted.ts'
import { inspectInThread } from './models/inspect-client.ts'
import { createLibrary } from './models/library.ts'
import { createLinks } from './open-link.ts'
import { checkDisplay } from './display.ts'
import { distFolder, resourcePath } from './resources.ts'
import { isOwnFrame, lockDown, lockSession, warnWithoutSandbox } from './security.ts'
import { openSettings } from './store/settings.ts'
import { testEnvironment } from './test-hooks.ts'
import { focusWindow, openWindow } from './window.ts'

/** Ending what runs may take this long, ms; then Kigo quits all the same. */
const SHUTDOWN_MS = 2500
/** Headers read at a time for the page, which asks for all recent models at once. */
const INSPECTIONS = 2

/** The checkout or the archive that this program is in, which `electron .` names. */
const OWN_FOLDER = path.dirname(distFolder(import.meta.url))

const links = createLinks()

/**
 * Starts the app, or hands its file to the one that runs already. `onFailure` is told who takes the failures that
 * nobody caught from then on; `folder` is where relative paths are meant from. What must come before the app is ready
 * is done at once.
 */
export async function startApp(
  folder: string | null,
  takeFailures: (handler: (error: unknown) => void) => void,
): Promise<void> {
  const profile = process.env['KIGO_USER_DATA']
  if (profile) app.setPath('userData', path.resolve(profile))
  checkProfile()
  const file = fileArgument(process.argv, folder, OWN_FOLDER)
  const short = shortened(process.argv, file)
  if (short) startAgain(short)
  // The first instance has got the file by now, and comes to the front.
  if (short || !app.requestSingleInstanceLock({ file })) {
    app.exit(0)
    return
  }
  checkDisplay()
  lockDown((contents, url) => links.wanted(contents, url))
  registerAppScheme()
  await boot(file, takeFailures)
}

async function boot(
  startFile: GivenFile | null,
  takeFailures: (handler: (error: unknown) => void) => void,
): Promise<void> {
  const userData = app.getPath('userData')
  const logFolder = path.dirname(openLog(userData))
  log.info(
    `Kigo ${app.getVersion()}, Electron ${process.versions.electron}, ${process.platform} ${process.arch}`,
  )

  // ---- what main tells the page
  let window: BrowserWindow | null = null
  /** From the moment in which there can be a window. */
  let open: (() => void) | null = null
  let pageListens = false
  const early: KigoEvent[] = []
  const send = (event: KigoEvent): void => {
    if (window && !window.isDestroyed()) window.webContents.send(EVENT_CHANNEL, event)
  }
  /** These must not be lost: they wait for a page that listens. */
  const sendSurely = (event: KigoEvent): void => {
    if (pageListens) send(event)
    else early.push(event)
  }
  const fault = (thrown: unknown): void => {
    const error = KigoError.from(thrown)
    log.error(error.code, error.message, error.data ?? '', error.cause ?? error.stack ?? '')
    sendSurely({ type: 'fault', error: error.toData() })
  }
  takeFailures(fault)
  warnWithoutSandbox()

  // ---- a file from the system or from a second instance
  const bundled = bundledModel()
  let listed = (): string[] => []
  const granted = createGrantedPaths(() => listed())
  const accept = (given: GivenFile): void => {
    const problem = refusal(given)
    if (problem) granted.refuse(given.path, problem)
    else granted.grant(given.path)
  }
  let quitting = false
  const comeForward = (): void => {
    if (window) focusWindow(window)
    else open?.()
  }
  const handOver = (given: GivenFile | null): void => {
    // The system's own ways to an app that runs: a second instance has the lock by now, and starts.
    if (quitting) return startAgain(given ? ['--', given.path] : [])
    comeForward()
    if (!given) return
    accept(given)
    sendSurely({ type: 'model.opened', path: given.path })
  }
  app.on('second-instance', (_event, _argv, _folder, data) => handOver(fileIn(data)))
  app.on('open-file', (event, given) => {
    event.preventDefault()
    handOver({ path: given, problem: null })
  })

  const [settings] = await Promise.all([
    openSettings(path.join(userData, 'settings.json'), fault),
    app.whenReady(),
    attached(testEnvironment),
  ])
  listed = () => [...settings.current.recents.map((recent) => recent.path), ...(bundled ? [bundled] : [])]

  // ---- the model and the conversations
  const isolation = createIsolation(electronLauncher(utilityProcess))
  const library = createLibrary(settings)
  const occupancy = new Occupancy()
  const streams = new Streams()
  const models: CurrentModel<LoadedModel> = new CurrentModel({
    inspect: (given, options) =>
      inspectInThread(given, { ...options, addon: loadEngine, run: isolation.run, exact: false }),
    open: (given, options) => LoadedModel.open(given, options, isolation.run),
    library,
    beforeClose: () => replies.stopAll(),
    onState: (state) => send({ type: 'model.state', state }),
    onProblem: fault,
  })
  const conversations = new Conversations((list) => send({ type: 'chat.list', conversations: list }))
  const replies: Replies = new Replies({
    conversations,
    streams,
    models,
    occupancy,
    settings: () => settings.current.chat,
    onProblem: (error) => log.error('A reply failed:', error.data ?? '', error.cause ?? error),
  })

  // ---- what the page may ask for
  const applyTheme = (theme: typeof nativeTheme.themeSource): void => {
    nativeTheme.themeSource = theme
  }
  /** false: the next page starts with a new chat. */
  let reopens = true
  const onPageReady = (): boolean => {
    pageListens = true
    for (const event of early.splice(0)) send(event)
    const reopen = reopens
    reopens = true
    return reopen
  }
  const isTrusted = (event: IpcMainEvent | IpcMainInvokeEvent): boolean =>
    event.sender === window?.webContents && isOwnFrame(event.senderFrame)
  const dispatch = createRouter<IpcMainInvokeEvent>({
    isTrusted,
    checkPath: (given) => granted.check(given),
    onProblem: (error) =>
      log.warn('A request was answered with', error.code, error.message, error.data ?? '', error.cause ?? ''),
    handlers: {
      ...appHandlers({
        settings,
        bundledModel: bundled,
        openLogs: () => openFolder(logFolder),
        restart: () => {
          app.relaunch()
          app.quit()
        },
        window: () => window,
        applyTheme,
        onPageReady,
      }),
      ...devicesHandlers({ addon: loadEngine }),
      ...modelHandlers({
        models,
        library,
        settings,
        inspect: limited(INSPECTIONS, (given: string, contextLength: number | null) =>
          models.inspect(given, { ...settings.current.load, contextLength }),
        ),
        pick: async () => {
          const picked = await pickModel(window, dirnameOf(library.last().lastPath))
          if (picked !== null) granted.grant(picked)
          return picked
        },
        reveal: (given) => shell.showItemInFolder(given),
      }),
      ...settingsHandlers({ settings }),
      ...chatHandlers({ conversations, replies }),
      ...streamHandlers({ streams }),
      ...haikuHandlers({
        models,
        occupancy,
        run: (model, signal) =>
          runHaiku({
            model: model.engine,
            prompts: model.prompts,
            signal,
            ...haikuInputs(testEnvironment, new Date()),
          }),
      }),
    },
  })
  ipcMain.handle(REQUEST_CHANNEL, dispatch)
  ipcMain.on(DROP_CHANNEL, (event, dropped: unknown) => {
    if (isTrusted(event) && typeof dropped === 'string') granted.grant(dropped)
  })

  // ---- the window
  const showLogs = (): void => void openFolder(logFolder).catch(fault)
  await lockSession(session.defaultSession)
  serveApp(session.defaultSession, resourcePath('renderer'))
  applyTheme(settings.current.appearance.theme)
  Menu.setApplicationMenu(
    buildMenu({
      send: (command) => send({ type: 'command', command }),
      openLogs: showLogs,
    }),
  )
  open = () => {
    const opened = openWindow({
      settings,
      health: {
        hasSpoken: () => pageListens,
        onGone: () => (pageListens = false),
        onAfresh: () => (reopens = false),
        tell: fault,
        openLogs: showLogs,
        quit: () => app.quit(),
      },
    })
    links.watch(opened)
    opened.on('closed', () => {
      window = null
      pageListens = false
    })
    window = opened
  }
  open()
  app.on('activate', () => {
    if (!window) handOver(null)
  })
  app.on('child-process-gone', (_event, gone) => {
    if (quitting) return
    log.error('A child process is gone:', gone)
    const trouble = childTrouble(gone)
    if (trouble) fault(trouble)
  })
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit()
  })

  // ---- quitting: everything that runs is told to end, and nothing is waited for longer than SHUTDOWN_MS
  app.on('before-quit', (event) => {
    event.preventDefault()
    if (quitting) return
    quitting = true
    // Kigo that is started from here on is the one that counts.
    app.releaseSingleInstanceLock()
    window?.close()
    const ending = Promise.all([replies.stopAll(), models.close()]).then(() => isolation.close())
    void within(SHUTDOWN_MS, ending)
      .then(() => within(SHUTDOWN_MS, settings.flush()))
      .finally(() => app.exit(0))
  })

  // Chromium would quit as well. But what writes the settings (signal-exit) takes the signals for as long as it writes
  // and gives them back to nobody, and ends the process where it finds itself the only one that listens.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => app.quit())

  if (!startFile) return
  accept(startFile)
  const problem = refusal(startFile)
  if (problem) models.refuse(startFile.path, problem)
  else models.load(startFile.path, settings.current.load).catch(() => {}) // the state says what failed
}

/** What a second instance sent, which is looked at: any program of this user may send it. */
const Start = z.object({
  file: z.object({ path: z.string().max(MAX_PATH), problem: z.string().max(200).nullable() }).nullable(),
})

function fileIn(start: unknown): GivenFile | null {
  const { data } = Start.safeParse(start)
  return data?.file ?? null
}

/** Once this process has ended. In a checkout Electron is told first where the app is. */
function startAgain(args: string[]): void {
  app.relaunch({ args: app.isPackaged ? args : [OWN_FOLDER, ...args] })
}

/** Without a profile Chromium would take this for a second instance, and end without a word. */
function checkProfile(): void {
  try {
    const profile = app.getPath('userData') // fails where it cannot be made
    mkdirSync(profile, { recursive: true })
    accessSync(profile, constants.W_OK)
  } catch (cause) {
    // What says so needs one as well.
    app.setPath('userData', mkdtempSync(path.join(tmpdir(), 'kigo-')))
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new KigoError('INTERNAL', `Kigo cannot write to its profile folder: ${message}.`, {
      hint: 'Check that it is a folder and that you may write to it; KIGO_USER_DATA names another one.',
      cause,
    })
  }
}

async function openFolder(folder: string): Promise<void> {
  const problem = await shell.openPath(folder)
  if (problem) {
    throw new KigoError('INTERNAL', 'The system could not open the folder of the logs.', {
      hint: `It is ${folder}.`,
      data: { message: problem },
    })
  }
}

function dirnameOf(given: string | null): string | null {
  return given === null ? null : path.dirname(given)
}

/** Resolves when `work` has ended, however, or after `ms`. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))
  await Promise.race([work.catch((error: unknown) => log.error('While quitting:', error)), limit])
  clearTimeout(timer)
}
