import path from 'node:path'
import { KigoError } from '../../contract/errors.ts'
import type { Inspection } from '../../contract/model.ts'
import type { CurrentModel, OpenModel } from '../models/current.ts'
import type { Library } from '../models/library.ts'
import type { SettingsStore } from '../store/settings.ts'
import type { Handlers, RoutesOf } from './router.ts'

export interface ModelDeps {
  models: CurrentModel<OpenModel>
  library: Library
  settings: SettingsStore
  inspect: (path: string, contextLength: number | null) => Promise<Inspection>
  /** The native dialog: a path, or null. */
  pick: () => Promise<string | null>
  /** Shows a file in the system's file manager. */
  reveal: (path: string) => void
}

export function modelHandlers(deps: ModelDeps): Handlers<RoutesOf<'model'>> {
  const { models, library, settings } = deps
  return {
    'model.state': () => models.state,
    'model.pick': () => deps.pick(),
    'model.inspect': ({ path: file, contextLength }) => deps.inspect(absolute(file), contextLength),
    'model.load': ({ path: file, settings: chosen }) =>
      models.load(absolute(file), { ...settings.current.load, ...chosen }),
    'model.cancelLoad': () => {
      models.cancelLoad()
      return null
    },
    'model.unload': () => {
      models.unload()
      return null
    },
    'model.reveal': ({ path: file }) => {
      deps.reveal(absolute(file))
      return null
    },
    'model.recents': () => library.list(),
    'model.forget': async ({ path: file }) => {
      const recents = await library.forget(file)
      models.forgotten(file)
      return recents
    },
  }
}

/** Paths come from the system's dialog or a drop and are whole; what is not is a mistake of the page. */
function absolute(file: string): string {
  if (!path.isAbsolute(file))
    throw new KigoError('INVALID_INPUT', 'A path must be absolute.', { data: { path: file } })
  return path.normalize(file)
}
