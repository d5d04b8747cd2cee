/** Every state of the window, as what main would answer. */
import type { Conversation, HaikuResult, Message, ReplyStats } from '../../contract/chat.ts'
import type { ErrorData } from '../../contract/errors.ts'
import type { KigoEvent } from '../../contract/ipc.ts'
import type {
  Device,
  Inspection,
  MemoryOutlook,
  MemoryPart,
  ModelState,
  RecentModel,
} from '../../contract/model.ts'
import type { AppInfo, Appearance } from '../../contract/routes.ts'
import { CHAT_SETTINGS_DEFAULTS, LOAD_SETTINGS_DEFAULTS } from '../../contract/sampling.ts'
import { CANBERRA, MIN_P, ON_DEVICE, SCRIPTS } from './words.ts'

const GIB = 1024 ** 3
const MIB = 1024 ** 2

export interface Scene {
  info: AppInfo
  model: ModelState
  devices: Device[]
  noGpu: ErrorData | null
  recents: RecentModel[]
  inspections: Record<string, Inspection | ErrorData>
  conversations: Conversation[]
  /** Errors to answer with, by route. */
  fails: Record<string, ErrorData>
  haiku: HaikuResult
  /** What the model says, how fast, how long it reads first, and where it holds (characters). */
  reply: { text: string; tokensPerSecond: number; prefillMs: number; holdAt: number }
  /** The load stands still at this share; 1: it ends. */
  loadHolds: number
  loadMs: number
  /** Tokens that the model's template adds to an empty chat. */
  template: number
  /** A field of the settings that main refuses. */
  refuses?: string
  /** Files are asked about, so many, and the answers do not come yet; then the last one first. */
  inspectHolds?: boolean
  inspecting: number
  /** Routes that are asked and do not answer yet; 'events': nothing is told meanwhile. */
  holds: string[]
  /** What main would tell of itself, a menu's command for one. */
  tell: (event: KigoEvent) => void
}

const SMOL = '/home/a/.cache/kigo/SmolLM2-135M-Instruct.Q4_1.gguf'
const QWEN = '/home/a/Downloads/Qwen3-8B-Q4_K_M.gguf'
const LLAMA = '/home/a/Downloads/Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf'
const BIG = '/home/a/Downloads/Qwen2.5-14B-Instruct-Q5_K_M.gguf'
const ODD = '/home/a/models/mistral-tekken-v9.gguf'
const GONE = '/home/a/models/moved-away.gguf'
export const PATHS = { SMOL, QWEN, LLAMA, BIG, ODD, GONE }

const FREE = 11.09 * GIB
const TOTAL = 15.52 * GIB

const CPU = { device: 'cpu', name: 'AMD EPYC 7B13', free: FREE, deviceTotal: TOTAL }
const GPU = {
  device: 'cuda:0',
  name: 'NVIDIA GeForce RTX 4070',
  free: 11.09 * GIB,
  deviceTotal: 11.99 * GIB,
}

const planned = (weights: number, kv: number, workspace: number) => ({
  ...{ weights, kv, workspace },
  total: weights + kv + workspace,
})

function outlook(
  ctx: number,
  largestContext: number,
  parts: MemoryPart[],
  slowdown: number | null = null,
): MemoryOutlook {
  const sum = (key: 'weights' | 'kv' | 'workspace' | 'total' | 'free' | 'deviceTotal') =>
    parts.reduce((total, part) => total + part[key], 0)
  return {
    device: parts.map(({ device }) => device).join(' + '),
    ctx,
    batch: 512,
    weights: sum('weights'),
    kv: sum('kv'),
    workspace: sum('workspace'),
    total: sum('total'),
    largestContext,
    free: sum('free'),
    deviceTotal: sum('deviceTotal'),
    parts,
    slowdown,
    gpuRefusal: null,
  }
}

/** The same file on a computer with a GPU: `layers` of it there, the rest on the CPU. */
function onGpu(found: Inspection, layers: number, slowdown: number | null): Inspection {
  const { memory } = found
  if (!memory) return found
  const part = (device: typeof CPU, layerFirst: number, layerLast: number): MemoryPart => {
    const share = (layerLast - layerFirst) / found.layers
    const plan = planned(memory.weights * share, memory.kv * share, memory.workspace)
    return { ...device, layerFirst, layerLast, ...plan }
  }
  const parts = [part(GPU, 0, layers), ...(layers < found.layers ? [part(CPU, layers, found.layers)] : [])]
  const [first] = parts
  const more = first ? ((first.free - first.total) / first.kv) * memory.ctx : 0
  const largest = memory.ctx + Math.floor(more / 256) * 256
  return { ...found, problem: null, memory: outlook(memory.ctx, largest, parts, slowdown) }
}

function inspection(
  file: string,
  name: string,
  change: Partial<Inspection> & {
    weights?: number
    kvPerToken?: number
    ctx?: number
    largest?: number
  } = {},
): Inspection {
  const { weights = 4.68 * GIB, kvPerToken = 147_456, ctx = 8192, largest = 40_960, ...rest } = change
  const kv = kvPerToken * ctx
  const workspace = 0.33 * GIB
  return {
    file,
    name,
    architecture: 'qwen2',
    quantization: 'Q4_K_M',
    parameters: 8.19e9,
    contextLength: 40_960,
    layers: 36,
    fileBytes: weights,
    tensors: {
      count: 399,
      byType: {
        Q4_K: { count: 217, bytes: weights * 0.74 },
        Q6_K: { count: 37, bytes: weights * 0.255 },
        F32: { count: 145, bytes: 1.2 * MIB },
      },
    },
    vocabulary: { model: 'gpt2', pre: 'qwen2', size: 151_936 },
    chatTemplate: { present: true, ok: true, thinking: false, system: true, mode: 'template' },
    memory: outlook(ctx, largest, [
      { ...CPU, layerFirst: 0, layerLast: rest.layers ?? 36, ...planned(weights, kv, workspace) },
    ]),
    problem: null,
    notes: [],
    metadata: { 'general.name': name },
    ...rest,
  }
}

const inspections: Record<string, Inspection | ErrorData> = {
  [QWEN]: inspection(QWEN, 'Qwen3 8B'),
  [LLAMA]: inspection(LLAMA, 'Llama 3.1 8B Instruct', {
    architecture: 'llama',
    layers: 32,
    parameters: 8.03e9,
    contextLength: 131_072,
    weights: 4.58 * GIB,
    kvPerToken: 131_072,
    largest: 50_688,
    tensors: {
      count: 292,
      byType: {
        Q4_K: { count: 193, bytes: 3.41 * GIB },
        Q6_K: { count: 33, bytes: 1.17 * GIB },
        F32: { count: 66, bytes: MIB },
      },
    },
  }),
  [BIG]: inspection(BIG, 'Qwen2.5 14B Instruct', {
    quantization: 'Q5_K_M',
    weights: 9.79 * GIB,
    kvPerToken: 196_608,
    largest: 4_608,
    layers: 48,
    parameters: 14.8e9,
    problem: { code: 'OUT_OF_MEMORY', message: 'It needs 11.62 GiB; 11.09 GiB are free.' },
  }),
  [SMOL]: inspection(SMOL, 'SmolLM2 135M Instruct', {
    architecture: 'llama',
    quantization: 'Q4_1',
    parameters: 134_515_008,
    contextLength: 8192,
    layers: 30,
    weights: 98_362_432,
    kvPerToken: 23_040,
    largest: 8192,
    tensors: {
      count: 272,
      byType: {
        Q4_1: { count: 210, bytes: 64 * MIB },
        Q8_0: { count: 1, bytes: 29 * MIB },
        F32: { count: 61, bytes: 139_392 },
      },
    },
  }),
  [ODD]: inspection(ODD, 'Mistral Tekken v9', {
    memory: null,
    problem: {
      code: 'UNSUPPORTED_TOKENIZER',
      message:
        'The file names the pre-tokenizer “tekken-v9”. Guessing would give wrong text, so it was not loaded.',
      data: { key: 'tokenizer.ggml.pre', value: 'tekken-v9' },
    },
  }),
  [GONE]: {
    code: 'MODEL_NOT_FOUND',
    message: 'moved-away.gguf was in models. It was moved, renamed or deleted.',
    data: { path: GONE },
  },
}

const recent = (path: string, usedAt: string, exists = true): RecentModel => {
  const found = inspections[path]
  const known = found !== undefined && 'name' in found ? found : null
  return {
    path,
    name: known?.name ?? 'Moved away',
    quantization: known?.quantization ?? 'Q8_0',
    fileBytes: known?.fileBytes ?? 2 * GIB,
    usedAt,
    exists,
  }
}

const daysAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString()

const stats = (change: Partial<ReplyStats> = {}): ReplyStats => ({
  promptTokens: 31,
  cachedTokens: 0,
  promptMs: 190,
  firstTokenMs: 210,
  tokens: 412,
  tokensPerSecond: 84.2,
  seed: 2_918_274_411,
  ...change,
})

let ids = 0
const said = (role: Message['role'], text: string, change: Partial<Message> = {}): Message => ({
  id: `m${++ids}`,
  role,
  text,
  status: 'done',
  ...(role === 'assistant' && change.status === undefined
    ? { model: 'Qwen3 8B', reason: 'end' as const, stats: stats() }
    : {}),
  ...change,
})

const chat = (id: string, title: string, streaming = false): Omit<Conversation, 'messages'> => ({
  id,
  title,
  updatedAt: daysAgo(0),
  streaming,
  draft: '',
})

const MIN_P_CHAT = (): Message[] => [
  said('user', 'What does min-p do that top-p does not? Show the rule, then a small function I can test.'),
  said('assistant', MIN_P),
]

export function longTranscript(turns: number): Message[] {
  return Array.from({ length: turns }, (_, i) =>
    i % 2 === 0
      ? said('user', `Question ${i / 2 + 1}: ${'why does the cache help here? '.repeat(1 + (i % 7))}`)
      : said('assistant', [CANBERRA, MIN_P, ON_DEVICE][i % 3] ?? CANBERRA),
  )
}

const chats = (first: Conversation): Conversation[] => [
  first,
  {
    ...chat('c2', 'Why Canberra is the capital'),
    messages: [
      said('user', 'Why is Canberra the capital of Australia, and not Sydney? Two sentences.'),
      said('assistant', CANBERRA),
    ],
  },
  {
    ...chat('c3', 'Translate the install guide to Portuguese'),
    messages: [said('user', 'Translate this.'), said('assistant', 'Traduzido.')],
  },
  {
    ...chat('c4', 'Summary of the NUMA pinning thread with all the benchmark numbers'),
    messages: [said('user', 'Summarise.'), said('assistant', 'Pin to one node.')],
  },
]

function base(): Scene {
  return {
    info: {
      version: '0.1.0',
      electron: '33.2.1',
      platform: 'linux',
      ownWindowControls: true,
      reopen: true,
      bundledModel: SMOL,
      mostThreads: 16,
      appearance: {
        theme: 'light',
        season: 'almanac',
        hemisphere: 'north',
        readAloud: false,
        sidebar: true,
        settingsPanel: false,
      },
      chatSettings: CHAT_SETTINGS_DEFAULTS,
      loadSettings: LOAD_SETTINGS_DEFAULTS,
    },
    model: loadedState(QWEN),
    devices: [
      {
        id: 'cpu',
        name: 'AMD EPYC 7B13',
        totalBytes: TOTAL,
        freeBytes: FREE,
        detail: 'AVX2, 8 cores',
        threads: 8,
        problem: null,
      },
    ],
    noGpu: { code: 'DEVICE_UNAVAILABLE', message: 'There is no NVIDIA driver on this computer.' },
    recents: [
      recent(QWEN, daysAgo(0)),
      recent(LLAMA, daysAgo(1)),
      recent(BIG, '2026-11-18T10:00:00Z'),
      recent(SMOL, daysAgo(0)),
      recent(ODD, daysAgo(3)),
      recent(GONE, daysAgo(9), false),
    ],
    inspections,
    conversations: chats({ ...chat('c1', 'What min-p does that top-p does not'), messages: MIN_P_CHAT() }),
    fails: {},
    haiku: {
      minute: 37,
      words: 'thirty-seven',
      haiku: 'thirty-seven bells —\nfrost holds the shape of the gate\nwhere the train went by',
      ok: true,
      seconds: 1.42,
      device: 'cpu',
      model: 'Qwen3 8B',
      attempts: [
        { seed: 11, text: 'frost', ok: false, problem: 'word missing' },
        { seed: 12, text: 'thirty-seven thirty-seven', ok: false, problem: 'word twice' },
        { seed: 13, text: 'thirty-seven bells', ok: true },
      ],
    },
    reply: { text: ON_DEVICE, tokensPerSecond: 84, prefillMs: 150, holdAt: Infinity },
    loadHolds: 1,
    loadMs: 900,
    template: 8,
    inspecting: 0,
    holds: [],
    tell: () => {},
  }
}

export function loadedState(path: string, known = inspections, nCtx?: number): ModelState {
  const found = known[path]
  if (found === undefined || !('memory' in found) || found.memory === null)
    return { status: 'none', lastPath: path, lastName: null }
  return {
    status: 'loaded',
    model: {
      path,
      inspection: found,
      device: found.memory.device,
      placements: found.memory.parts,
      asked: { device: 'auto', gpuLayers: null, chatTemplate: '' },
      nCtx: nCtx ?? found.memory.ctx,
      threads: 8,
      loadMs: 900,
    },
  }
}

const first = (scene: Scene, messages: Message[], streaming = false): Scene => ({
  ...scene,
  conversations: chats({
    ...chat('c1', messages.length === 0 ? 'New chat' : 'What min-p does that top-p does not', streaming),
    messages,
  }),
})

const withSettings = (scene: Scene): Scene => ({
  ...scene,
  info: {
    ...scene.info,
    appearance: { ...scene.info.appearance, settingsPanel: true },
    chatSettings: {
      ...scene.info.chatSettings,
      temperature: 1.1,
      minP: 0.08,
      systemPrompt: 'You answer like a careful engineer: the rule first, then one example that runs.',
    },
  },
})

/** With a GPU, and a model that is too large for it. */
const withGpu = (scene: Scene): Scene => {
  const known = Object.fromEntries(
    Object.entries(scene.inspections).map(([path, found]) => {
      if (!('memory' in found)) return [path, found]
      return [path, path === BIG ? onGpu(found, 41, 2.4) : onGpu(found, found.layers, null)]
    }),
  )
  const gpu: Device = {
    id: GPU.device,
    name: GPU.name,
    totalBytes: GPU.deviceTotal,
    freeBytes: GPU.free,
    detail: 'compute capability 8.9, driver 580.65, cuBLAS 13',
    threads: 0,
    problem: null,
  }
  return {
    ...scene,
    devices: [gpu, ...scene.devices],
    noGpu: null,
    inspections: known,
    model: loadedState(QWEN, known),
  }
}

const SCENES: Record<string, (scene: Scene) => Scene> = {
  chat: (scene) => scene,
  empty: (scene) => first(scene, []),
  firstrun: (scene) => ({
    ...scene,
    model: { status: 'none', lastPath: null, lastName: null },
    recents: [],
    conversations: [],
  }),
  idle: (scene) => first({ ...scene, model: { status: 'none', lastPath: QWEN, lastName: 'Qwen3 8B' } }, []),
  loading: (scene) =>
    first(
      {
        ...scene,
        model: { status: 'loading', path: QWEN, name: 'Qwen3 8B', doneBytes: 0, totalBytes: 4.68 * GIB },
        loadHolds: 0.62,
        loadMs: 2900,
      },
      [],
    ),
  base: (scene) => {
    const template = {
      present: false,
      ok: false,
      thinking: false,
      system: false,
      mode: 'completion',
    } as const
    const known = {
      ...scene.inspections,
      [LLAMA]: inspection(LLAMA, 'Llama 3.1 8B, the base of all that was tuned', { chatTemplate: template }),
    }
    return first({ ...scene, inspections: known, model: loadedState(LLAMA, known) }, [])
  },
  starting: (scene) => ({ ...scene, holds: ['chat.list'] }),
  loadingchat: (scene) => ({
    ...scene,
    model: { status: 'loading', path: QWEN, name: 'Qwen3 8B', doneBytes: 0, totalBytes: 4.68 * GIB },
    loadHolds: 0.62,
    loadMs: 2900,
  }),
  streaming: (scene) =>
    first(
      { ...scene, reply: { ...scene.reply, tokensPerSecond: 400, prefillMs: 0, holdAt: 480 } },
      [
        ...MIN_P_CHAT(),
        said(
          'user',
          'Now the same on the device. One warp a row, and no second pass over the vocabulary if you can avoid it.',
        ),
        said('assistant', '', { status: 'streaming', streamId: 's1', text: '' }),
      ],
      true,
    ),
  prefill: (scene) =>
    first(
      { ...scene, reply: { ...scene.reply, prefillMs: 60_000 } },
      [
        ...MIN_P_CHAT(),
        said('user', 'Now the same on the device.'),
        said('assistant', '', { status: 'streaming', streamId: 's1' }),
      ],
      true,
    ),
  context: (scene) => {
    const messages = [
      ...MIN_P_CHAT(),
      said('user', 'Go on.'),
      said('assistant', `${ON_DEVICE} and then`, {
        reason: 'context',
        stats: stats({ cachedTokens: 200, promptTokens: 56, tokens: 256 }),
      }),
    ]
    // The template of the next turn comes on top of what fills it.
    const nCtx = messages.reduce((sum, { text }) => sum + Math.ceil(text.length / 4), 0) - 1
    return first({ ...scene, model: loadedState(QWEN, scene.inspections, nCtx) }, messages)
  },
  toolong: (scene) => {
    const error: ErrorData = {
      code: 'PROMPT_TOO_LONG',
      message: 'The prompt has 1,284 tokens; the context holds 512, of which one must be left for the reply.',
      data: { tokens: 1284, nCtx: 512 },
    }
    return first({ ...scene, model: loadedState(QWEN, scene.inspections, 512) }, [
      said('user', 'Too long. '.repeat(8)),
      said('assistant', '', { status: 'failed', error }),
    ])
  },
  settings: withSettings,
  gpu: withGpu,
  gpusettings: (scene) => {
    const made = withSettings(withGpu(scene))
    const loadSettings = { ...made.info.loadSettings, device: GPU.device, gpuLayers: 24 }
    return { ...made, info: { ...made.info, loadSettings } }
  },
  lost: (scene) => {
    const error: ErrorData = {
      code: 'DEVICE_LOST',
      message: 'The GPU stopped answering. It was lost when the computer slept.',
      data: { device: 'cuda:0' },
    }
    const made = withGpu(scene)
    return {
      ...first(made, [
        ...MIN_P_CHAT(),
        said('user', 'Go on.'),
        said('assistant', 'The second loop reads', { status: 'failed', error }),
      ]),
      model: { status: 'failed', path: QWEN, name: 'Qwen3 8B', error },
    }
  },
  scripts: (scene) => first(scene, [said('user', SCRIPTS), said('assistant', SCRIPTS)]),
  error: (scene) => ({
    ...first(scene, [
      said('user', 'Why is Canberra the capital of Australia, and not Sydney? Two sentences.'),
      said('assistant', CANBERRA),
    ]),
    model: {
      status: 'failed',
      path: BIG,
      name: 'Qwen2.5 14B',
      error: {
        code: 'OUT_OF_MEMORY',
        message: 'Qwen2.5 14B does not fit with 8,192 context. It needs 11.62 GiB; 11.09 GiB are free.',
        data: { missingBytes: 569_083_166 },
      },
    },
    inspections: {
      ...inspections,
      [BIG]: inspection(BIG, 'Qwen2.5 14B Instruct', {
        quantization: 'Q5_K_M',
        weights: 9.79 * GIB,
        kvPerToken: 196_608,
        largest: 4_096,
      }),
    },
  }),
  replyerror: (scene) =>
    first(scene, [
      ...MIN_P_CHAT(),
      said('user', 'Go on.'),
      said('assistant', 'The second loop reads', {
        status: 'failed',
        error: {
          code: 'NUMERIC_ERROR',
          message: 'The model produced numbers that are not finite, so the reply was ended.',
          data: { layer: 17, type: 'Q4_K' },
        },
      }),
    ]),
  sendfails: (scene) => ({
    ...scene,
    fails: {
      'chat.send': {
        code: 'INTERNAL',
        message: 'Something went wrong inside Kigo.',
        data: { message: 'worker died' },
      },
    },
  }),
  long: (scene) => first(scene, longTranscript(500)),
}

export function scene(query: URLSearchParams): Scene {
  const make = SCENES[query.get('scene') ?? 'chat'] ?? ((scene) => scene)
  const made = make(base())
  const appearance: Partial<Appearance> = {}
  const theme = query.get('theme')
  const season = query.get('season')
  if (theme === 'light' || theme === 'dark') appearance.theme = theme
  if (season === 'winter' || season === 'spring' || season === 'summer' || season === 'autumn')
    appearance.season = season
  const rate = query.get('rate')
  if (rate !== null)
    made.reply = {
      text: ON_DEVICE.repeat(Number(query.get('repeat') ?? 1)),
      tokensPerSecond: Number(rate),
      prefillMs: 20,
      holdAt: Infinity,
    }
  return { ...made, info: { ...made.info, appearance: { ...made.info.appearance, ...appearance } } }
}

export const SCENE_NAMES = Object.keys(SCENES)
