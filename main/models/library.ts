/** The models that were loaded before, newest first. Files stay where they are; only their names are kept. */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { Inspection, RecentModel } from '../../contract/model.ts'
import type { SettingsStore } from '../store/settings.ts'

/** More are not shown and not kept. */
const MAX_RECENTS = 20

export interface Library {
  /** The model was loaded: it becomes the first. */
  remember(file: string, inspection: Inspection): void
  /** With a look whether each file is still there. */
  list(): Promise<RecentModel[]>
  forget(file: string): Promise<RecentModel[]>
  /** The model of the last load, or nulls. Its file may be gone. */
  last(): { lastPath: string | null; lastName: string | null }
  /** The model's own name if it was loaded before, else the file's. */
  nameOf(file: string): string
}

/** A share that does not answer within this counts as gone, ms; it is asked again with the next list. */
const PATIENCE_MS = 2000

/** `look` says whether a file is there; it may never answer. */
export function createLibrary(settings: SettingsStore, look = isFile, patience = PATIENCE_MS): Library {
  const isThere = withPatience(look, patience)
  const others = (file: string): typeof settings.current.recents =>
    settings.current.recents.filter((recent) => recent.path !== file)

  const list = (): Promise<RecentModel[]> =>
    Promise.all(
      settings.current.recents.map(async (recent) => ({ ...recent, exists: await isThere(recent.path) })),
    )

  return {
    remember(file, { name, quantization, fileBytes }) {
      const recent = { path: file, name, quantization, fileBytes, usedAt: new Date().toISOString() }
      settings.update({ recents: [recent, ...others(file)].slice(0, MAX_RECENTS) })
    },
    list,
    forget(file) {
      settings.update({ recents: others(file) })
      return list()
    },
    last() {
      const last = settings.current.recents[0]
      return { lastPath: last?.path ?? null, lastName: last?.name ?? null }
    },
    nameOf(file) {
      return settings.current.recents.find((recent) => recent.path === file)?.name ?? fileName(file)
    },
  }
}

/** `/models/Qwen3-8B.Q4_K_M.gguf` → `Qwen3-8B.Q4_K_M`; `/models/Large-00001-of-00005.gguf` → `Large`. */
export function fileName(file: string): string {
  return path.basename(file).replace(/(-\d{5}-of-\d{5})?\.gguf$/i, '')
}

/** Each file is asked for once at a time: a dead share must not take one thread of the pool after the other. */
function withPatience(
  look: (file: string) => Promise<boolean>,
  patience: number,
): (file: string) => Promise<boolean> {
  const looking = new Map<string, Promise<boolean>>()
  return async (file) => {
    const answer = looking.get(file) ?? look(file).finally(() => looking.delete(file))
    looking.set(file, answer)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), patience)))
    return Promise.race([answer, late]).finally(() => clearTimeout(timer))
  }
}

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile()
  } catch {
    return false
  }
}
