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

export function createLibrary(settings: SettingsStore): Library {
  const others = (file: string): typeof settings.current.recents =>
    settings.current.recents.filter((recent) => recent.path !== file)

  const list = (): Promise<RecentModel[]> =>
    Promise.all(
      settings.current.recents.map(async (recent) => ({ ...recent, exists: await isFile(recent.path) })),
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

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile()
  } catch {
    return false
  }
}
