/** Electron's main process: what is set up, in order. Each feature is one call; none of them blocks. */
import path from 'node:path'
import {
  app,
  dialog,
  ipcMain,
  Menu,
  nativeTheme,
  session,
  shell,
  utilityProcess,
  type BrowserWindow,
  type IpcMainInvokeEvent,
} from 'electron'
import { KigoError } from '../contract/errors.ts'
import { EVENT_CHANNEL, REQUEST_CHANNEL, type KigoEvent } from '../contract/ipc.ts'
import { registerAppScheme, serveApp } from './app-protocol.ts'
import { commandArguments, fileArgument } from './arguments.ts'
import { attached } from './attached.ts'
import { Conversations } from './chat/conversations.ts'
import { LoadedModel } from './chat/loaded-model.ts'
import { Occupancy } from './chat/occupancy.ts'
import { Replies } from './chat/replies.ts'
import { Streams } from './chat/streams.ts'
import { loadEngine } from './engine/index.ts'
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
import { unmarked } from './marked.ts'
import { buildMenu } from './menu.ts'
import { bundledModel } from './models/bundled.ts'
import { CurrentModel } from './models/current.ts'
import { pickModel } from './models/dialogs.ts'
import { inspectInThread } from './models/inspect-client.ts'
import { createLibrary } from './models/library.ts'
import { resourcePath } from './resources.ts'
import { isOwnFrame, lockDown, lockSession } from './security.ts'
import { openSettings } from './store/settings.ts'
import { refuseDebuggers, testEnvironment } from './test-hooks.ts'
import { focusWindow, openWindow } from './window.ts'

/** Ending what runs may take this long, ms; then Kigo quits all the same. */
const SHUTDOWN_MS = 2500
/** Headers read at a time for the page, which asks for all recent models at once. */
const INSPECTIONS = 2

refuseDebuggers(app.commandLine)
const profile = process.env['KIGO_USER_DATA']
if (profile) app.setPath('userData', path.resolve(profile))

const file = fileArgument(process.argv, process.cwd())
const command = commandArguments(process.argv)
if (command) {
  void runCommand(command)
} else if (app.requestSingleInstanceLock({ file })) {
  lockDown()
  registerAppScheme()
  boot(file).catch((error: unknown) => {
    log.error('Kigo could not start:', error)
    dialog.showErrorBox(
      'Kigo could not start',
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    )
    app.exit(1)
  })
} else {
  // The first instance has got the file by now, and comes to the front.
  app.exit(0)
}

async function boot(startFile: string | null): Promise<void> {
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
  process.on('uncaughtException', fault)
  process.on('unhandledRejection', fault)

  // ---- a file from the system or from a second instance
  const comeForward = (): void => {
    if (window) focusWindow(window)
    else open?.()
  }
  const handOver = (given: string): void => {
    comeForward()
    sendSurely({ type: 'model.opened', path: given })
  }
  app.on('second-instance', (_event, _argv, _folder, data) => {
    const given = fileOf(data)
    if (given) handOver(given)
    else comeForward()
  })
  app.on('open-file', (event, given) => {
    event.preventDefault()
    handOver(given)
  })

  const [settings] = await Promise.all([
    openSettings(path.join(userData, 'settings.json'), fault),
    app.whenReady(),
    attached(testEnvironment),
  ])

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
  const onPageReady = (): void => {
    pageListens = true
    for (const event of early.splice(0)) send(event)
  }
  const dispatch = createRouter<IpcMainInvokeEvent>({
    isTrusted: (event) => event.sender === window?.webContents && isOwnFrame(event.senderFrame),
    onProblem: (error) =>
      log.warn('A request was answered with', error.code, error.message, error.data ?? '', error.cause ?? ''),
    handlers: {
      ...appHandlers({
        settings,
        bundledModel: bundledModel(),
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
        pick: () => pickModel(window, dirnameOf(library.last().lastPath)),
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

  // ---- the window
  lockSession(session.defaultSession)
  serveApp(session.defaultSession, resourcePath('renderer'))
  applyTheme(settings.current.appearance.theme)
  Menu.setApplicationMenu(
    buildMenu({
      send: (command) => send({ type: 'command', command }),
      openLogs: () => void openFolder(logFolder).catch(fault),
    }),
  )
  open = () => {
    const opened = openWindow({
      settings,
      onCrash: (reason, again) => {
        pageListens = false
        fault(pageCrashed(reason, again))
      },
    })
    opened.on('closed', () => {
      window = null
      pageListens = false
    })
    window = opened
  }
  open()
  app.on('activate', () => {
    if (!window) open?.()
  })
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit()
  })

  // ---- quitting: everything that runs is told to end, and nothing is waited for longer than SHUTDOWN_MS
  let quitting = false
  app.on('before-quit', (event) => {
    event.preventDefault()
    if (quitting) return
    quitting = true
    window?.close()
    const ending = Promise.all([replies.stopAll(), models.close()]).then(() => isolation.close())
    void within(SHUTDOWN_MS, ending)
      .then(() => within(SHUTDOWN_MS, settings.flush()))
      .finally(() => app.exit(0))
  })

  if (startFile) models.load(startFile, settings.current.load).catch(() => {}) // the state says what failed
}

/** The installed `kigo`: this same program without a window. */
async function runCommand(marked: string[]): Promise<void> {
  const args = unmarked(marked)
  if (!args) {
    process.stderr.write('error: the command is started as bin/kigo, without --cli\n')
    return app.exit(2)
  }
  await app.whenReady()
  const { runCliProcess } = await import('./cli/process.ts')
  app.exit(await runCliProcess(args, electronLauncher(utilityProcess)))
}

/** What a second instance sent: `{file}`, from another process and therefore looked at. */
function fileOf(data: unknown): string | null {
  return typeof data === 'object' && data !== null && 'file' in data && typeof data.file === 'string'
    ? data.file
    : null
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

function pageCrashed(reason: string, again: boolean): KigoError {
  const next = again
    ? 'It was started again; what was said is kept.'
    : 'It crashed too often to be started again.'
  return new KigoError('INTERNAL', `The window’s page crashed (${reason}). ${next}`, {
    hint: again ? 'If it happens again, please report it with the log.' : 'Quit Kigo and start it again.',
  })
}

/** Resolves when `work` has ended, however, or after `ms`. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))
  await Promise.race([work.catch((error: unknown) => log.error('While quitting:', error)), limit])
  clearTimeout(timer)
}
