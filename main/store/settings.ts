/**
 * What Kigo remembers between runs, in one JSON file of the profile: appearance, settings, the window's place,
 * the last model and the recent ones. Conversations are not here.
 */
import { readFile, rename } from 'node:fs/promises'
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
  name: z.string(),
  quantization: z.string(),
  fileBytes: z.number().min(0),
  usedAt: z.iso.datetime(),
})
export type Recent = z.output<typeof Recent>

const Settings = z.object({
  version: z.literal(1).default(1),
  appearance: Appearance.prefault({}),
  chat: ChatSettings.prefault({}),
  load: LoadSettings.prefault({}),
  window: Bounds.nullable().default(null),
  /** The newest first; the first one is the last model. */
  recents: z.array(Recent).max(100).default([]),
})
export type Settings = z.output<typeof Settings>

export interface SettingsStore {
  readonly current: Settings
  /** Changes some fields and writes the file soon; the change counts at once. */
  update(change: Partial<Settings>): void
  /** Resolves when everything is on disk, or could not be put there (then `onProblem` was told). */
  flush(): Promise<void>
}

/**
 * Reads `file`. A missing one gives the defaults; one that cannot be understood is moved aside, never
 * overwritten, and `onProblem` is told; where it cannot be moved, nothing is saved in this run. Never rejects:
 * without settings Kigo still runs.
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

  return {
    get current() {
      return current
    },
    update(change) {
      current = { ...current, ...change }
      if (!found.mayWrite) return
      dirty = true
      // The next turn: several changes made together are one write.
      writing ??= Promise.resolve().then(write)
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
}

async function read(file: string): Promise<Found> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    const absent = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    if (absent) return { settings: Settings.parse({}), problem: null, mayWrite: true }
    return { settings: Settings.parse({}), problem: unreadable(file, cause, null), mayWrite: false }
  }
  try {
    return { settings: Settings.parse(JSON.parse(text)), problem: null, mayWrite: true }
  } catch (cause) {
    const aside = await keepAside(file)
    return { settings: Settings.parse({}), problem: unreadable(file, cause, aside), mayWrite: aside !== null }
  }
}

function unreadable(file: string, cause: unknown, aside: string | null): KigoError {
  const what = aside
    ? `The file was kept as ${path.basename(aside)}.`
    : 'Changes are not saved until Kigo starts again.'
  return new KigoError('INTERNAL', `The settings could not be read, so the defaults are in use. ${what}`, {
    hint: 'Nothing was deleted: repair the file and start Kigo again, or set things anew.',
    data: { file, message: cause instanceof Error ? cause.message : String(cause) },
    cause,
  })
}

async function keepAside(file: string): Promise<string | null> {
  const stamp = new Date().toISOString().replaceAll(/[:.]/g, '-')
  const aside = path.join(path.dirname(file), `${path.basename(file, '.json')}.unreadable-${stamp}.json`)
  try {
    await rename(file, aside)
    return aside
  } catch {
    return null
  }
}
