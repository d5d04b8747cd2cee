import path from 'node:path'
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

/** Paths were checked by the router: they are absolute, and the page may name them. */
export function modelHandlers(deps: ModelDeps): Handlers<RoutesOf<'model'>> {
  const { models, library, settings } = deps
  return {
    'model.state': () => models.state,
    'model.pick': () => deps.pick(),
    'model.inspect': ({ path: file, contextLength }) => deps.inspect(path.normalize(file), contextLength),
    'model.load': ({ path: file, settings: chosen }) =>
      models.load(path.normalize(file), { ...settings.current.load, ...chosen }),
    'model.cancelLoad': () => {
      models.cancelLoad()
      return null
    },
    'model.unload': () => {
      models.unload()
      return null
    },
    'model.reveal': ({ path: file }) => {
      deps.reveal(path.normalize(file))
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
