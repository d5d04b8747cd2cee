/** Everything a person can do, as plain functions over the store. */
import type { Conversation, Message } from '../../contract/chat.ts'
import { ERRORS, type ErrorData } from '../../contract/errors.ts'
import type { Command, Result } from '../../contract/ipc.ts'
import type { RecentModel } from '../../contract/model.ts'
import type { AppInfo, Appearance } from '../../contract/routes.ts'
import type { ChatSettings, LoadSettings } from '../../contract/sampling.ts'
import type { Live } from '../features/chat/stream.ts'
import { drop, follow } from '../features/chat/streams.ts'
import { withoutBlankEdges } from '../features/chat/message-text.ts'
import { plural } from '../ui/format.ts'
import { ask, request, RequestError } from './bridge.ts'
import { debounced } from './debounced.ts'
import {
  focusComposer,
  focusIn,
  focusNextRegion,
  focusOpener,
  focusRow,
  inRow,
  rememberOpener,
} from './focus.ts'
import {
  currentOrder,
  draftKey,
  get,
  lastModel,
  nothingYet,
  panelOpen,
  set,
  streamingMessage,
  type HaikuState,
  type Notice,
} from './store.ts'

// ---- notices -------------------------------------------------------------------------------------------

let notices = 0

export function notify(error: ErrorData, path?: string): void {
  if (error.code === 'CANCELLED') return
  const notice: Notice = { id: ++notices, error, path }
  set((state) => ({ notices: [...state.notices.filter((old) => !sameFailure(old, notice)), notice] }))
}

/**
 * The same failure twice is the same notice, said again: of a file, the newest of its kind; of Kigo itself, where all
 * that is known of it is the same.
 */
const sameFailure = (a: Notice, b: Notice): boolean =>
  a.error.code === b.error.code &&
  a.path === b.path &&
  (a.path !== undefined || JSON.stringify(a.error) === JSON.stringify(b.error))

export function dismiss(id: number): void {
  set((state) => ({ notices: state.notices.filter((notice) => notice.id !== id) }))
  focusComposer()
}

/** Told by the polite status, for those who do not see it. */
export const say = (status: string): void => set({ status })

/** Runs a step; what fails becomes a notice. Returns whether it went well. */
async function tried(step: () => Promise<void>, path?: string): Promise<boolean> {
  try {
    await step()
    return true
  } catch (thrown) {
    notify(errorOf(thrown), path)
    return false
  }
}

export function errorOf(thrown: unknown): ErrorData {
  if (thrown instanceof RequestError) return thrown.data
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return { code: 'INTERNAL', message: ERRORS.INTERNAL.sentence, data: { message } }
}

// ---- conversations -------------------------------------------------------------------------------------

/** An empty conversation: the one there is, else a new one. */
export async function newChat(): Promise<void> {
  // Without a model there is nothing to talk to: the first-run view stays, and its chat begins with the load.
  if (nothingYet(get())) return set({ view: 'chat', drawer: false, notices: [] })
  const { order, gone } = get()
  const empty = Object.keys(order).find((id) => order[id]?.length === 0 && !gone[id])
  set({ current: empty ?? null, view: 'chat', usage: null, drawer: false, notices: [] })
  focusComposer()
  if (!empty) await tried(createChat)
  remember(get().current)
  askUsage.soon()
}

/** Makes the conversation that is on screen real; until then its draft has no id. */
async function createChat(): Promise<void> {
  const created = await ask('chat.create')
  keep(created)
  set(({ drafts, current }) => ({
    current: current ?? created.id,
    drafts: { ...without(drafts, ''), [created.id]: drafts[''] || drafts[created.id] || '' },
  }))
}

export async function openChat(id: string): Promise<void> {
  if (get().order[id] === undefined && !(await tried(async () => keep(await ask('chat.get', { id }))))) return
  set({ current: id, view: 'chat', usage: null, drawer: false })
  remember(id)
  focusComposer()
  askUsage.soon()
}

/** Takes over a conversation as main knows it, but for a draft that is newer here, and goes on with its reply. */
export function keep(conversation: Conversation): void {
  set((state) => {
    const messages = { ...state.messages }
    for (const message of conversation.messages) messages[message.id] = message
    return {
      messages,
      order: { ...state.order, [conversation.id]: conversation.messages.map((message) => message.id) },
      drafts: { [conversation.id]: conversation.draft, ...state.drafts },
    }
  })
  for (const message of conversation.messages) if (message.status === 'streaming') begin(message)
}

/** After a reload of the page the same conversation is on screen. */
const LAST = 'kigo.conversation'
const remember = (id: string | null): void =>
  id === null ? sessionStorage.removeItem(LAST) : sessionStorage.setItem(LAST, id)
export const remembered = (): string | null => sessionStorage.getItem(LAST)

const UNDO_MS = 8000
const deletions = new Map<string, ReturnType<typeof setTimeout>>()

/** Strikes a conversation through; it is deleted in 8 s unless that is taken back. */
export function deleteChat(id: string): void {
  if (deletions.has(id)) return
  set((state) => ({ gone: { ...state.gone, [id]: true } }))
  if (inRow(id)) focusRow(id)
  deletions.set(
    id,
    setTimeout(() => void deleteNow(id), UNDO_MS),
  )
}

export function undoDelete(id: string): void {
  clearTimeout(deletions.get(id))
  deletions.delete(id)
  set((state) => ({ gone: without(state.gone, id) }))
  focusRow(id)
}

async function deleteNow(id: string): Promise<void> {
  clearTimeout(deletions.get(id))
  deletions.delete(id)
  const focused = inRow(id)
  const deleted = await tried(async () => void (await ask('chat.delete', { id })))
  if (!deleted) return set((state) => ({ gone: without(state.gone, id) }))
  for (const message of get().order[id] ?? []) drop(message)
  if (get().current === id) await newChat()
  set((state) => ({
    gone: without(state.gone, id),
    order: without(state.order, id),
    drafts: without(state.drafts, id),
    conversations: state.conversations.filter((conversation) => conversation.id !== id),
  }))
  if (focused) focusComposer()
}

/** Closing the window is no Undo: what is struck through goes now. */
export function deleteStruck(): void {
  for (const id of [...deletions.keys()]) void deleteNow(id)
}

export function without<T>(record: Record<string, T>, key: string): Record<string, T> {
  const { [key]: _, ...rest } = record
  return rest
}

// ---- writing -------------------------------------------------------------------------------------------

export function setDraft(text: string): void {
  set((state) => ({ drafts: { ...state.drafts, [draftKey(state)]: text } }))
  askUsage.soon()
}

/** Puts a text back to be changed and sent once more; what was being typed stays below it. */
export function writeAgain(text: string): void {
  const state = get()
  const draft = state.drafts[draftKey(state)] ?? ''
  setDraft(draft === '' ? text : `${text}\n${draft}`)
  focusComposer()
}

export const toggleFold = (id: string): void =>
  set(({ unfolded }) => ({
    unfolded: unfolded[id] ? without(unfolded, id) : { ...unfolded, [id]: true },
  }))

/** Puts a line to begin with into the composer; of those it replaces the one that was chosen before. */
export function writeStarter(words: string, starters: readonly string[]): void {
  const state = get()
  if (starters.includes(state.drafts[draftKey(state)] ?? '')) setDraft('')
  writeAgain(words)
}

let sending = false

/** Sends what was typed; where no model is loaded, the one that was used last is loaded for it. */
export async function send(): Promise<void> {
  const state = get()
  const key = draftKey(state)
  const typed = state.drafts[key] ?? ''
  const text = withoutBlankEdges(typed)
  if (sending || text === '' || streamingMessage(state)) return
  const status = state.model?.status
  const last = lastModel(state)
  if (status !== 'loaded' && status !== 'loading' && last === null) {
    notify({
      code: 'NO_MODEL',
      message: 'No model is loaded, so nothing was sent.',
      hint: 'What you wrote is kept.',
    })
    return void jumpToLatest()
  }
  sending = true
  set((now) => ({ drafts: { ...now.drafts, [key]: '' }, notices: [] }))
  const sent = await tried(async () => {
    await saveChatSettings.now()
    if (state.current === null) await createChat()
    // Requests arrive in the order in which they leave: the message finds a model that is being loaded.
    if (last !== null) {
      await saveLoadSettings.now()
      void askLoad(last.path)
    }
    const to = state.current ?? get().current ?? ''
    remember(to)
    const { user, assistant } = await ask('chat.send', { id: to, text })
    set((now) => ({
      messages: { ...now.messages, [user.id]: user, [assistant.id]: assistant },
      order: { ...now.order, [to]: [...(now.order[to] ?? []), user.id, assistant.id] },
    }))
    begin(assistant)
    jumpToLatest()
  })
  // What was typed survives the error, unless something new was typed meanwhile.
  if (!sent)
    set((now) => ({ drafts: { ...now.drafts, [draftKey(now)]: now.drafts[draftKey(now)] || typed } }))
  sending = false
  askUsage.soon()
  focusComposer()
}

export async function stop(): Promise<void> {
  const id = get().current
  if (id !== null) await tried(async () => void (await ask('chat.stop', { id })))
}

/** The engine does one thing at a time: whatever keeps it busy, wherever it was begun. */
export async function endWhatRuns(): Promise<void> {
  await tried(async () => {
    const running = get().conversations.filter((conversation) => conversation.streaming)
    await Promise.all([...running.map(({ id }) => ask('chat.stop', { id })), ask('haiku.stop')])
    set({ notices: [] })
  })
  // Its button is gone now.
  focusComposer()
}

function begin(message: Message): void {
  set({ status: 'Writing' })
  follow(message)
}

/** One animation frame's worth of a running reply. */
export function streamed(messageId: string, next: Live): void {
  set((state) => {
    const message = state.messages[messageId]
    if (!message) return {}
    const { end } = next
    if (end === null) {
      return {
        live: { ...state.live, [messageId]: next },
        messages:
          next.text === message.text
            ? state.messages
            : { ...state.messages, [messageId]: { ...message, text: next.text } },
      }
    }
    const done: Message =
      'error' in end
        ? { ...message, text: next.text, status: 'failed', error: end.error }
        : {
            ...message,
            ...writer(end.model),
            text: next.text,
            status: 'done',
            reason: end.reason,
            stats: end.stats,
          }
    return {
      live: without(state.live, messageId),
      messages: { ...state.messages, [messageId]: done },
      // Until main has counted anew: what was written is in the window now, and the meter does not drop.
      usage:
        state.usage !== null && currentOrder(state).includes(messageId)
          ? { ...state.usage, used: state.usage.used + (state.live[messageId]?.tokens ?? 0) }
          : state.usage,
      status: 'error' in end ? 'Reply ended' : `Reply finished, ${plural(end.stats.tokens, 'token')}`,
    }
  })
  if (next.end !== null) askUsage.soon()
}

/** Which model wrote a reply is known when it has ended: it may have waited for a load. */
const writer = (model: string | undefined): Pick<Message, 'model'> => (model === undefined ? {} : { model })

/** The stream cannot be had any more: main's copy of the conversation says what became of it. */
export async function streamLost(messageId: string, live: Live, error: ErrorData): Promise<void> {
  const id = Object.keys(get().order).find((conversation) => get().order[conversation]?.includes(messageId))
  if (id !== undefined) {
    const result = await request('chat.get', { id })
    const now = result.ok ? result.data.messages.find((message) => message.id === messageId) : undefined
    if (result.ok && now && now.status !== 'streaming') {
      set((state) => ({ live: without(state.live, messageId), status: 'Reply finished' }))
      return keep(result.data)
    }
  }
  streamed(messageId, { ...live, end: { error } })
}

/** Counted 150 ms after the last key. */
export const askUsage = debounced(150, async () => {
  const { current, drafts, model } = get()
  // Of a load nothing is known yet; its end asks again.
  if (model?.status === 'loading') return
  if (current === null || model?.status !== 'loaded') return set({ usage: null })
  const result = await request('chat.usage', { id: current, draft: drafts[current] ?? '' })
  const now = get()
  if (now.current === current && now.model === model) set({ usage: result.ok ? result.data : null })
})

// ---- models --------------------------------------------------------------------------------------------

export async function pickModel(): Promise<void> {
  await tried(async () => {
    const path = await ask('model.pick')
    if (path !== null) showCard(path)
  })
}

/** The models view, with a file's card. */
export function showCard(path: string | null): void {
  const { model, recents, info } = get()
  const used = model && 'path' in model ? model.path : model?.status === 'loaded' ? model.model.path : null
  set(({ opened }) => ({
    view: 'models',
    drawer: false,
    card: path ?? used ?? recents[0]?.path ?? info?.bundledModel ?? null,
    opened: path === null || opened.includes(path) ? opened : [path, ...opened],
  }))
  void refreshModels()
  if (path !== null) void inspect(path, true)
}

export async function refreshModels(): Promise<void> {
  await Promise.all([refreshRecents(), refreshDevices()])
}

let recentsAsked = 0
let devicesAsked = 0

/** Of answers that overtake each other the one that was asked for last counts. */
async function takeRecents(asked: Promise<Result<RecentModel[]>>): Promise<Result<RecentModel[]>> {
  const turn = ++recentsAsked
  const result = await asked
  if (result.ok && turn === recentsAsked) set({ recents: result.data })
  return result
}

export const refreshRecents = async (): Promise<void> => void (await takeRecents(request('model.recents')))

async function refreshDevices(): Promise<void> {
  const turn = ++devicesAsked
  const result = await request('devices.list')
  if (result.ok && turn === devicesAsked) set(result.data)
}

const inspecting = new Map<string, Promise<void>>()

/** Reads a file's header once; `again` reads it anew (memory that is free changes). The answer asked for last counts. */
export function inspect(path: string, again = false): Promise<void> {
  if (!again && get().inspected[path] !== undefined) return Promise.resolve()
  const running = inspecting.get(path)
  if (running && !again) return running
  const { contextLength } = get().info?.loadSettings ?? { contextLength: null }
  const step: Promise<void> = request('model.inspect', { path, contextLength }).then((result) => {
    if (inspecting.get(path) !== step) return inspecting.get(path)
    inspecting.delete(path)
    const found = result.ok
      ? { ok: true as const, inspection: result.data }
      : { ok: false as const, error: result.error }
    set((state) => ({ inspected: { ...state.inspected, [path]: found } }))
    return undefined
  })
  inspecting.set(path, step)
  return step
}

/** Plans are for the settings that were chosen when they were made. Those on their way are asked for anew. */
function forgetPlans(): void {
  const asked = [...inspecting.keys()]
  inspecting.clear()
  set({ inspected: {} })
  for (const path of asked) void inspect(path)
}

/** One after the other: each reads a header, and the first rows are the ones that are looked at. */
export async function inspectRecents(): Promise<void> {
  for (const model of get().recents) if (model.exists) await inspect(model.path)
}

export async function loadModel(path: string, settings?: Partial<LoadSettings>): Promise<void> {
  const { model } = get()
  set({ view: 'chat', drawer: false, notices: [] })
  await saveLoadSettings.now()
  focusComposer()
  void inspect(path)
  if (model?.status === 'loading') {
    if (model.path === path && settings === undefined) return
    // The one that was asked for last is the one that is wanted.
    set({ replacing: true })
    await request('model.cancelLoad')
  }
  await askLoad(path, settings)
  // Refused at once: there was no other load.
  if (get().replacing) set((state) => ({ replacing: false, shown: state.model }))
}

/** What comes of it is told by the state of the model, but for one case. */
async function askLoad(path: string, settings?: Partial<LoadSettings>): Promise<void> {
  const result = await request('model.load', settings === undefined ? { path } : { path, settings })
  if (result.ok) return
  // A failed state tells of itself; a file refused while another model stays loaded does not. Asked for, because
  // the event with the state may come later than this answer.
  const now = await request('model.state')
  if (!now.ok || now.data.status !== 'failed' || now.data.path !== path) notify(result.error, path)
}

/** A GPU that was lost can be used again by a new process only. */
export const restart = async (): Promise<void> =>
  void (await tried(async () => void (await ask('app.restart'))))

export async function cancelLoad(): Promise<void> {
  await tried(async () => void (await ask('model.cancelLoad')))
  // Its button is gone now, unless the card has it.
  if (get().view === 'chat') focusComposer()
}
export async function unloadModel(): Promise<void> {
  await tried(async () => void (await ask('model.unload')))
  // Its button is gone now.
  focusComposer()
}
export const reveal = async (path: string): Promise<void> =>
  void (await tried(async () => void (await ask('model.reveal', { path }))))

export async function forget(path: string): Promise<void> {
  await tried(async () => {
    const result = await takeRecents(request('model.forget', { path }))
    if (!result.ok) throw new RequestError(result.error)
    set((state) => ({
      opened: state.opened.filter((opened) => opened !== path),
      inspected: without(state.inspected, path),
      card: state.card === path ? (result.data[0]?.path ?? state.info?.bundledModel ?? null) : state.card,
    }))
  })
}

// ---- settings ------------------------------------------------------------------------------------------

const changeInfo = (change: (info: AppInfo) => Partial<AppInfo>): void =>
  set(({ info }) => (info === null ? {} : { info: { ...info, ...change(info) } }))

let chatPatch: Partial<ChatSettings> = {}
let loadPatch: Partial<LoadSettings> = {}

/**
 * Saves a patch, and where it is refused each of its fields by itself, so that a bad one takes no other with it. What
 * stays refused is said; the answer is what main has in its place.
 */
async function saveEach<S extends ChatSettings | LoadSettings>(
  patch: Partial<S>,
  save: (patch: Partial<S>) => Promise<Result<S>>,
): Promise<Partial<S>> {
  const kept: Partial<S> = {}
  if ((await save(patch)).ok) return kept
  for (const name of Object.keys(patch) as (keyof S)[]) {
    const result = await save({ [name]: patch[name] } as Partial<S>)
    if (result.ok) continue
    notify(result.error)
    const now = await save({})
    if (now.ok) kept[name] = now.data[name]
  }
  return kept
}

export const saveChatSettings = debounced(250, async () => {
  const patch = chatPatch
  chatPatch = {}
  if (Object.keys(patch).length === 0) return
  const kept = await saveEach(patch, (fields) => request('settings.chat', fields))
  changeInfo(({ chatSettings }) => ({ chatSettings: { ...chatSettings, ...kept } }))
  if ('systemPrompt' in patch) askUsage.soon()
})

export const saveLoadSettings = debounced(250, async () => {
  const patch = loadPatch
  loadPatch = {}
  if (Object.keys(patch).length === 0) return
  const kept = await saveEach(patch, (fields) => request('settings.load', fields))
  changeInfo(({ loadSettings }) => ({ loadSettings: { ...loadSettings, ...kept } }))
  forgetPlans()
})

export function changeChatSettings(patch: Partial<ChatSettings>): void {
  changeInfo(({ chatSettings }) => ({ chatSettings: { ...chatSettings, ...patch } }))
  chatPatch = { ...chatPatch, ...patch }
  saveChatSettings.soon()
}

export function changeLoadSettings(patch: Partial<LoadSettings>): void {
  changeInfo(({ loadSettings }) => ({ loadSettings: { ...loadSettings, ...patch } }))
  loadPatch = { ...loadPatch, ...patch }
  saveLoadSettings.soon()
}

export async function changeAppearance(patch: Partial<Appearance>): Promise<void> {
  changeInfo(({ appearance }) => ({ appearance: { ...appearance, ...patch } }))
  await tried(async () => void (await ask('app.setAppearance', patch)))
}

// ---- the haiku test ------------------------------------------------------------------------------------

/** The run before has ended: the engine does one thing at a time. */
let haikuEnded: Promise<unknown> = Promise.resolve()

export async function runHaiku(): Promise<void> {
  if (get().haiku?.status === 'running') return set({ view: 'haiku' })
  const mine: HaikuState = { status: 'running', since: Date.now() }
  set({ view: 'haiku', drawer: false, haiku: mine })
  focusIn('.haiku')
  await haikuEnded
  // It was closed meanwhile, and perhaps begun anew: that one asks for itself.
  if (get().haiku !== mine) return
  const result = await request('haiku.run')
  if (get().haiku !== mine) return
  set({
    haiku: result.ok ? { status: 'done', result: result.data } : { status: 'failed', error: result.error },
  })
}

export async function closeHaiku(): Promise<void> {
  const running = get().haiku?.status === 'running'
  set({ view: 'chat', haiku: null })
  focusComposer()
  if (running) await (haikuEnded = request('haiku.stop'))
}

// ---- the window ----------------------------------------------------------------------------------------

export const copy = (text: string): Promise<boolean> =>
  tried(async () => void (await ask('app.copy', { text })))
export const openLogs = (): Promise<boolean> => tried(async () => void (await ask('app.openLogs')))
export const windowAction = (action: 'minimize' | 'maximize' | 'close'): void =>
  void request('app.window', { action })

export function toggleSidebar(): void {
  const { info, drawer, width } = get()
  if (width === 'narrow') {
    if (drawer) return closeDrawer()
    rememberOpener()
    set({ drawer: true, sheet: false })
    return focusIn('.side', '.nav')
  }
  if (!info) return
  const inside = document.querySelector('.side')?.contains(document.activeElement) ?? false
  void changeAppearance({ sidebar: !info.appearance.sidebar })
  if (inside) focusComposer()
}

/** What opened it has the focus again. */
export function closeDrawer(): void {
  set({ drawer: false })
  focusOpener()
}

/** A column that is remembered where there is room, a sheet over the transcript where there is not. */
export function toggleSettings(): void {
  const state = get()
  if (state.info === null) return
  const open = !panelOpen(state)
  const sheet = state.width !== 'wide'
  if (open && sheet) rememberOpener()
  set({ drawer: false, view: state.view === 'models' ? 'chat' : state.view })
  if (sheet) set({ sheet: open })
  else if (open !== state.info.appearance.settingsPanel) void changeAppearance({ settingsPanel: open })
  if (sheet && open) focusIn('.panel')
  else if (sheet) focusOpener()
  else if (!open) focusComposer()
}

/** From the empty chat: the panel, with the cursor in its first field. */
export function writeSystemPrompt(): void {
  if (!panelOpen(get())) toggleSettings()
  focusIn('.panel', 'textarea')
}

export const jumpToLatest = (): boolean => window.dispatchEvent(new Event('kigo:latest'))

/** What had the focus before the find bar took it. */
let foundFrom: HTMLElement | null = null

export function openFind(): void {
  if (!get().finding) {
    foundFrom = document.activeElement instanceof HTMLElement ? document.activeElement : null
    set({ finding: true })
  }
  window.dispatchEvent(new Event('kigo:find'))
}

export function closeFind(): void {
  set({ finding: false })
  if (foundFrom?.isConnected && foundFrom !== document.body) foundFrom.focus()
  else focusComposer()
}

/** The menu and the keys name the same verbs. */
export function carryOut(command: Command): void {
  switch (command) {
    case 'newChat':
      return void newChat()
    case 'openModel':
      return void pickModel()
    case 'unloadModel':
      return void unloadModel()
    case 'toggleSidebar':
      return toggleSidebar()
    case 'toggleSettings':
      return toggleSettings()
    case 'find':
      return openFind()
    case 'showModels':
      return showCard(null)
    case 'shortcuts':
      return set((state) => ({ shortcuts: !state.shortcuts }))
    case 'haiku':
      return void runHaiku()
    case 'jumpToLatest':
      return void jumpToLatest()
    case 'focusNext':
      return focusNextRegion(1)
    case 'focusPrevious':
      return focusNextRegion(-1)
  }
}
