/** A `window.kigo` without Electron: main's side of the contract, in memory, with timers for an engine. */
import type { Ack, Conversation, Frame, Message, ReplyStats } from '../../contract/chat.ts'
import type { ErrorData } from '../../contract/errors.ts'
import { STREAM_MESSAGE, type KigoBridge, type KigoEvent, type Result } from '../../contract/ipc.ts'
import type { MemoryPlan, ModelState } from '../../contract/model.ts'
import type { RouteInput, RouteName } from '../../contract/routes.ts'
import { loadedState, type Scene } from './scenes.ts'

/** One reply being written: the text is its truth, ports only follow. */
interface FakeStream {
  message: Message
  conversation: Conversation
  written: number
  tokens: number
  started: number
  done: boolean
  stopped: boolean
  port: MessagePort | null
  sent: number
  acked: number
  endSent: boolean
}

export function fakeBridge(scene: Scene): KigoBridge {
  const listeners = new Set<(event: KigoEvent) => void>()
  const streams = new Map<string, FakeStream>()
  let model: ModelState = scene.model
  let ids = 0
  let stopHaiku = (): void => {}
  let loadTimer: ReturnType<typeof setInterval> | undefined

  const held = async (what: string): Promise<void> => {
    while (scene.holds.includes(what)) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  /** In the order in which they were told, however long they were held. */
  let told = Promise.resolve()
  let waiting = 0
  const emit = (event: KigoEvent): void => {
    const tell = (): void => listeners.forEach((listener) => listener(event))
    if (waiting === 0 && !scene.holds.includes('events')) return tell()
    waiting++
    told = told
      .then(() => held('events'))
      .then(() => {
        waiting--
        tell()
      })
  }
  scene.tell = emit
  const setModel = (state: ModelState): void => {
    model = state
    emit({ type: 'model.state', state })
  }
  const list = () =>
    scene.conversations
      .filter((conversation) => conversation.messages.length > 0)
      .map(({ id, title, updatedAt, streaming }) => ({ id, title, updatedAt, streaming }))
  const tellList = (): void => emit({ type: 'chat.list', conversations: list() })
  const find = (id: string): Conversation | undefined =>
    scene.conversations.find((conversation) => conversation.id === id)

  function load(path: string, nCtx?: number | null): Promise<Result<ModelState>> {
    const found = scene.inspections[path]
    if (found === undefined || 'code' in found)
      return fail(
        found ?? {
          code: 'MODEL_NOT_GGUF',
          message: 'This is not a GGUF model that Kigo can read.',
          data: { path },
        },
      )
    const total = found.fileBytes
    const started = performance.now()
    setModel({ status: 'loading', path, name: found.name, doneBytes: 0, totalBytes: total })
    return new Promise((resolve) => {
      clearInterval(loadTimer)
      loadTimer = setInterval(() => {
        if (model.status !== 'loading') {
          clearInterval(loadTimer)
          return resolve({ ok: false, error: { code: 'CANCELLED', message: 'Cancelled.' } })
        }
        const share = Math.min(scene.loadHolds, (performance.now() - started) / scene.loadMs)
        if (share < 1)
          return setModel({
            status: 'loading',
            path,
            name: found.name,
            doneBytes: Math.round(total * share),
            totalBytes: total,
          })
        clearInterval(loadTimer)
        setModel(loadedState(path, scene.inspections, nCtx ?? undefined))
        for (const stream of streams.values()) stream.started = performance.now()
        resolve({ ok: true, data: model })
      }, 50)
    })
  }

  function startStream(conversation: Conversation, message: Message): void {
    if (message.streamId === undefined) return
    streams.set(message.streamId, {
      message,
      conversation,
      written: message.text.length,
      tokens: 0,
      started: performance.now(),
      done: false,
      stopped: false,
      port: null,
      sent: 0,
      acked: 0,
      endSent: false,
    })
    conversation.streaming = true
  }

  /** The engine: 4 characters a token at the scene's rate. */
  function write(now: number): void {
    const { text, tokensPerSecond, prefillMs, holdAt } = scene.reply
    for (const stream of streams.values()) {
      if (stream.done || model.status !== 'loaded') continue
      const since = now - stream.started
      if (since < prefillMs) {
        stream.port?.postMessage({
          type: 'prefill',
          done: Math.round(1927 * Math.min(0.61, since / prefillMs + 0.6)),
          total: 1927,
          cached: 1284,
        } satisfies Frame)
        continue
      }
      stream.tokens = Math.floor(((since - prefillMs) / 1000) * tokensPerSecond)
      const end = Math.min(text.length, holdAt)
      stream.written = Math.max(stream.written, Math.min(end, stream.tokens * 4))
      stream.tokens = Math.ceil(stream.written / 4)
      stream.message.text = text.slice(0, stream.written)
      if (stream.stopped || stream.written >= text.length) {
        stream.done = true
        stream.message.status = 'done'
        stream.message.reason = stream.stopped ? 'cancelled' : 'end'
        stream.message.stats = statsOf(stream, tokensPerSecond)
        stream.conversation.streaming = false
        tellList()
      }
      push(stream)
    }
  }

  function statsOf(stream: FakeStream, tokensPerSecond: number): ReplyStats {
    return {
      promptTokens: 1927,
      cachedTokens: 1284,
      promptMs: scene.reply.prefillMs,
      firstTokenMs: scene.reply.prefillMs + 12,
      tokens: stream.tokens,
      tokensPerSecond,
      seed: 7,
    }
  }

  function push(stream: FakeStream): void {
    if (!stream.port || stream.sent > stream.acked) return
    const text = stream.message.text.slice(stream.sent)
    if (text !== '') {
      stream.port.postMessage({
        type: 'text',
        seq: stream.sent,
        text,
        tokens: stream.tokens,
        tokensPerSecond: scene.reply.tokensPerSecond,
      } satisfies Frame)
      stream.sent += text.length
    } else if (stream.done && !stream.endSent && stream.message.stats && stream.message.reason) {
      stream.endSent = true
      stream.port.postMessage({
        type: 'done',
        seq: stream.sent,
        reason: stream.message.reason,
        stats: stream.message.stats,
      } satisfies Frame)
    }
  }

  function attach(streamId: string, fromSeq: number): Promise<Result<null>> {
    const stream = streams.get(streamId)
    if (!stream) return fail({ code: 'STREAM_NOT_FOUND', message: 'There is no such stream.' })
    const { port1, port2 } = new MessageChannel()
    Object.assign(stream, { port: port1, sent: fromSeq, acked: fromSeq, endSent: false })
    port1.onmessage = (event: MessageEvent<Ack>) => {
      if (stream.port !== port1) return
      stream.acked = event.data.ack
      push(stream)
    }
    window.postMessage({ type: STREAM_MESSAGE, streamId }, '*', [port2])
    push(stream)
    return answer(null)
  }

  function send(id: string, text: string): Promise<Result<{ user: Message; assistant: Message }>> {
    const conversation = find(id)
    if (!conversation) return fail({ code: 'INVALID_INPUT', message: 'There is no such conversation.' })
    if (model.status !== 'loaded' && model.status !== 'loading')
      return fail({ code: 'NO_MODEL', message: 'No model is loaded.' })
    const user: Message = { id: `f${++ids}`, role: 'user', text, status: 'done' }
    const assistant: Message = {
      id: `f${++ids}`,
      role: 'assistant',
      text: '',
      status: 'streaming',
      streamId: `fs${ids}`,
      model: 'Qwen3 8B',
    }
    conversation.messages.push(user, assistant)
    if (conversation.title === 'New chat') conversation.title = text.slice(0, 40)
    startStream(conversation, assistant)
    tellList()
    return answer({ user: { ...user }, assistant: { ...assistant } })
  }

  const routes: { [R in RouteName]: (input: RouteInput<R>) => Promise<Result<unknown>> } = {
    'app.info': () => answer(scene.info),
    'app.setAppearance': (patch) => answer(Object.assign(scene.info.appearance, patch)),
    'app.menu': () => answer(null),
    'app.openLogs': () => answer(null),
    'app.restart': () => answer(null),
    'app.window': () => answer(null),
    'app.copy': ({ text }) =>
      navigator.clipboard.writeText(text).then(
        () => answer(null),
        () => answer(null),
      ),
    'devices.list': () => answer({ devices: scene.devices, noGpu: scene.noGpu }),
    'model.state': () => answer(model),
    'model.pick': () => answer(scene.recents[1]?.path ?? scene.info.bundledModel),
    'model.inspect': async ({ path, contextLength }) => {
      const mine = ++scene.inspecting
      while (scene.inspectHolds || scene.inspecting > mine)
        await new Promise((resolve) => setTimeout(resolve, 10))
      scene.inspecting--
      const found = scene.inspections[path]
      if (found === undefined)
        return fail({
          code: 'MODEL_NOT_GGUF',
          message: 'This is not a GGUF model that Kigo can read.',
          data: { path, magic: '0x0a0a2023' },
        })
      if ('code' in found) return fail(found)
      const memory = found.memory
      if (!memory || contextLength == null) return answer(found)
      const scaled = <T extends MemoryPlan>(plan: T): T => {
        const kv = (plan.kv / memory.ctx) * contextLength
        return { ...plan, kv, total: plan.weights + plan.workspace + kv }
      }
      const parts = memory.parts.map(scaled)
      return answer({ ...found, memory: { ...scaled(memory), ctx: contextLength, parts } })
    },
    'model.load': ({ path, settings }) =>
      load(path, settings?.contextLength ?? scene.info.loadSettings.contextLength),
    'model.cancelLoad': () => {
      if (model.status === 'loading') setModel({ status: 'none', lastPath: model.path, lastName: model.name })
      return answer(null)
    },
    'model.unload': () => {
      if (model.status === 'loaded')
        setModel({ status: 'none', lastPath: model.model.path, lastName: model.model.inspection.name })
      return answer(null)
    },
    'model.reveal': () => answer(null),
    'model.recents': () => answer(scene.recents),
    'model.forget': ({ path }) => {
      scene.recents = scene.recents.filter((recent) => recent.path !== path)
      if (model.status === 'none' && model.lastPath === path) {
        const last = scene.recents[0]
        setModel({ status: 'none', lastPath: last?.path ?? null, lastName: last?.name ?? null })
      }
      return answer(scene.recents)
    },
    'settings.chat': (patch) =>
      scene.refuses !== undefined && scene.refuses in patch
        ? fail({ code: 'INVALID_INPUT', message: `settings.chat: ${scene.refuses}: not valid.` })
        : answer(Object.assign(scene.info.chatSettings, patch)),
    'settings.load': (patch) => answer(Object.assign(scene.info.loadSettings, patch)),
    'chat.list': () => answer(list()),
    'chat.create': () => {
      const empty = scene.conversations.find((conversation) => conversation.messages.length === 0)
      if (empty) return answer(empty)
      const created: Conversation = {
        id: `n${++ids}`,
        title: 'New chat',
        updatedAt: new Date().toISOString(),
        streaming: false,
        messages: [],
        draft: '',
      }
      scene.conversations.unshift(created)
      tellList()
      return answer(created)
    },
    'chat.get': ({ id }) => {
      const found = find(id)
      return found
        ? answer(structuredClone(found))
        : fail({ code: 'INVALID_INPUT', message: 'There is no such conversation.' })
    },
    'chat.delete': ({ id }) => {
      scene.conversations = scene.conversations.filter((conversation) => conversation.id !== id)
      tellList()
      return answer(null)
    },
    'chat.send': ({ id, text }) => send(id, text),
    'chat.draft': ({ id, text }) => {
      const found = find(id)
      if (found) found.draft = text
      return answer(null)
    },
    'chat.stop': ({ id }) => {
      for (const stream of streams.values()) if (stream.conversation.id === id) stream.stopped = true
      return answer(null)
    },
    'chat.usage': ({ id, draft }) => {
      const said =
        find(id)?.messages.reduce((sum, message) => sum + Math.ceil(message.text.length / 4), 0) ?? 0
      const system = Math.ceil(scene.info.chatSettings.systemPrompt.length / 4)
      return answer(
        model.status === 'loaded'
          ? {
              nCtx: model.model.nCtx,
              used: said + system + scene.template,
              draft: Math.ceil(draft.length / 4),
              system,
              template: scene.template,
            }
          : null,
      )
    },
    'stream.attach': ({ streamId, fromSeq }) => attach(streamId, fromSeq),
    'haiku.run': () =>
      new Promise((resolve) => {
        const timer = setTimeout(() => resolve({ ok: true, data: scene.haiku }), 400)
        stopHaiku = () => {
          clearTimeout(timer)
          resolve({ ok: false, error: { code: 'CANCELLED', message: 'Cancelled.' } })
        }
      }),
    'haiku.stop': () => {
      // The first is told late, when the second is on its way.
      setTimeout(stopHaiku, 50)
      return answer(null)
    },
  }

  for (const conversation of scene.conversations) {
    for (const message of conversation.messages)
      if (message.status === 'streaming') startStream(conversation, message)
  }
  if (model.status === 'loading') void load(model.path)
  setInterval(() => write(performance.now()), 8)

  return {
    async request(route, input) {
      if (scene.holds.includes(route)) await held(route)
      const error = scene.fails[route]
      const handler = routes[route] as (input: unknown) => Promise<Result<never>>
      return error ? fail(error) : handler(input)
    },
    onEvent(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    pathForFile: (file) => `/home/a/Downloads/${file.name}`,
  }
}

const answer = <T>(data: T): Promise<Result<T>> => Promise.resolve({ ok: true, data: structuredClone(data) })
const fail = (error: ErrorData): Promise<Result<never>> => Promise.resolve({ ok: false, error })
