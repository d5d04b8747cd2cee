/**
 * What Kigo remembers between runs, in one JSON file of the profile: appearance, settings, the window's place,
 * the last model and the recent ones. Conversations are not here.
 */
import { copyFile, readFile, rename } from 'node:fs/promises'
import path from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { z } from 'zod'
import { KigoError } from '../../contract/errors.ts'
import { Appearance } from '../../contract/routes.ts'
import { ChatSettings, LoadSettings } from '../../contract/sampling.ts'

const Bounds = z.object({
  x: z.int(),
  y: z.int(),
  width: z.int().min(1).max(100_000),
  height: z.int().min(1).max(100_000),
  maximized: z.boolean(),
})
export type Bounds = z.output<typeof Bounds>

const Recent = z.object({
  path: z.string().min(1),
  name: z.string().default(''),
  quantization: z.string().default(''),
  fileBytes: z.number().min(0).default(0),
  /** '' where it is not known. */
  usedAt: z.iso.datetime({ offset: true, local: true }).or(z.literal('')).default(''),
})
export type Recent = z.output<typeof Recent>

export interface Settings {
  version: 1
  appearance: Appearance
  chat: ChatSettings
  load: LoadSettings
  window: Bounds | null
  /** The newest first; the first one is the last model. */
  recents: Recent[]
}

/** More are not kept. */
const MAX_RECENTS = 100

export interface SettingsStore {
  readonly current: Settings
  /** Changes some fields and writes the file soon; the change counts at once. */
  update(change: Partial<Settings>): void
  /** Resolves when everything is on disk, or could not be put there (then `onProblem` was told). */
  flush(): Promise<void>
}

/**
 * Reads `file`. A missing one gives the defaults. A field that cannot be understood costs that field alone, and the
 * file as it was is kept aside, as one is of which nothing can be understood; `onProblem` is told. Where it cannot be
 * kept, nothing is saved in this run. Never rejects: without settings Kigo still runs.
 */
export async function openSettings(
  file: string,
  onProblem: (error: KigoError) => void,
): Promise<SettingsStore> {
  const found = await read(file)
  if (found.problem) onProblem(found.problem)
  let current = found.settings
  let writing: Promise<void> | null = null
  let dirty = false

  async function write(): Promise<void> {
    while (dirty) {
      dirty = false
      try {
        await writeFileAtomic(file, `${JSON.stringify(current, null, 2)}\n`)
      } catch (cause) {
        onProblem(
          new KigoError('INTERNAL', 'The settings could not be saved.', {
            hint: 'Check that the profile folder is writable and the disk is not full.',
            data: { file, message: String(cause) },
            cause,
          }),
        )
      }
    }
    writing = null
  }

  function save(): void {
    if (!found.mayWrite) return
    dirty = true
    // The next turn: several changes made together are one write.
    writing ??= Promise.resolve().then(write)
  }

  // What was put right is said once, and not at every start.
  if (found.bad) save()
  return {
    get current() {
      return current
    },
    update(change) {
      current = { ...current, ...change }
      save()
    },
    async flush() {
      await writing
    },
  }
}

interface Found {
  settings: Settings
  problem: KigoError | null
  mayWrite: boolean
  /** Some of its fields could not be taken. */
  bad: boolean
}

async function read(file: string): Promise<Found> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (cause) {
    const absent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    if (absent) return { settings: settingsOf({}, []), problem: null, mayWrite: true, bad: false }
    return {
      settings: settingsOf({}, []),
      problem: unreadable(file, cause, null),
      mayWrite: false,
      bad: false,
    }
  }
  const bad: string[] = []
  try {
    const settings = settingsOf(JSON.parse(textOf(bytes)), bad)
    if (bad.length === 0) return { settings, problem: null, mayWrite: true, bad: false }
    const kept = await keepAside(file, copyFile)
    return { settings, problem: partlyRead(file, bad, kept), mayWrite: kept !== null, bad: true }
  } catch (cause) {
    const kept = await keepAside(file, rename)
    return {
      settings: settingsOf({}, []),
      problem: unreadable(file, cause, kept),
      mayWrite: kept !== null,
      bad: false,
    }
  }
}

/** Editors put a byte order mark in front, and some of Windows write UTF-16. */
function textOf(bytes: Buffer): string {
  const wide = bytes[0] === 0xff && bytes[1] === 0xfe
  return new TextDecoder(wide ? 'utf-16le' : 'utf-8').decode(bytes)
}

/** The settings that a file's JSON says; the names of what cannot be taken go to `bad`. Throws where nothing can be. */
function settingsOf(json: unknown, bad: string[]): Settings {
  if (!isRecord(json)) throw new Error('It holds no settings.')
  const { version = 1, window = null, recents = [] } = json
  if (typeof version === 'number' && version > 1) throw new Error(`It is of a later version, ${version}.`)
  if (version !== 1) bad.push('version')
  const bounds = Bounds.nullable().safeParse(window)
  if (!bounds.success) bad.push('window')
  if (!Array.isArray(recents)) bad.push('recents')
  return {
    version: 1,
    appearance: fieldsOf(Appearance, json['appearance'], 'appearance', bad) ?? Appearance.parse({}),
    chat: fieldsOf(ChatSettings, json['chat'], 'chat', bad) ?? ChatSettings.parse({}),
    load: fieldsOf(LoadSettings, json['load'], 'load', bad) ?? LoadSettings.parse({}),
    window: bounds.success ? bounds.data : null,
    recents: (Array.isArray(recents) ? recents : [])
      .map((recent, i) => fieldsOf(Recent, recent, `recents.${i}`, bad))
      .filter((recent) => recent !== null)
      .map((recent) => ({ ...recent, name: recent.name || path.basename(recent.path) }))
      .slice(0, MAX_RECENTS),
  }
}

/** Each field by itself; what is bad gets its default. null: a bad one has none. */
function fieldsOf<S extends z.ZodObject>(
  schema: S,
  json: unknown = {},
  name: string,
  bad: string[],
): z.output<S> | null {
  if (!isRecord(json)) bad.push(name)
  const given = isRecord(json) ? json : {}
  const taken = Object.entries(schema.shape).map(([field, type]: [string, z.ZodType]) => {
    const value = Object.hasOwn(given, field) ? given[field] : undefined
    const whole = type.safeParse(value)
    if (!whole.success) bad.push(`${name}.${field}`)
    return [field, whole.success ? whole.data : type.safeParse(undefined).data]
  })
  const result = schema.safeParse(Object.fromEntries(taken))
  return result.success ? result.data : null
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const keptAs = (aside: string | null): string =>
  aside ? `The file was kept as ${path.basename(aside)}.` : 'Changes are not saved until Kigo starts again.'

function unreadable(file: string, cause: unknown, aside: string | null): KigoError {
  return new KigoError(
    'INTERNAL',
    `The settings could not be read, so the defaults are in use. ${keptAs(aside)}`,
    {
      hint: 'Nothing was deleted: repair the file and start Kigo again, or set things anew.',
      data: { file, message: cause instanceof Error ? cause.message : String(cause) },
      cause,
    },
  )
}

function partlyRead(file: string, bad: string[], aside: string | null): KigoError {
  const named = bad.slice(0, 5).join(', ') + (bad.length > 5 ? ` and ${bad.length - 5} more` : '')
  const what = bad.length === 1 ? 'the default is' : 'the defaults are'
  return new KigoError(
    'INTERNAL',
    `Of the settings, ${named} could not be read, so ${what} in use there. ${keptAs(aside)}`,
    { hint: 'The other settings are as they were. Set these anew.', data: { file, fields: bad } },
  )
}

/** `put` makes the second file of the first: a copy, or the file itself under another name. */
async function keepAside(
  file: string,
  put: (from: string, to: string) => Promise<void>,
): Promise<string | null> {
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-')
  const aside = path.join(path.dirname(file), `${path.basename(file, '.json')}.unreadable-${stamp}.json`)
  try {
    await put(file, aside)
    return aside
  } catch {
    return null
  }
}
