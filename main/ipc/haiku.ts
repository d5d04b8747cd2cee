import type { HaikuResult } from '../../contract/chat.ts'
import { KigoError } from '../../contract/errors.ts'
import type { LoadedModel } from '../chat/loaded-model.ts'
import type { Occupancy } from '../chat/occupancy.ts'
import type { Handlers, RoutesOf } from './router.ts'

export interface HaikuDeps {
  models: { ready(): Promise<LoadedModel> }
  occupancy: Occupancy
  run: (model: LoadedModel, signal: AbortSignal) => Promise<HaikuResult>
}

export function haikuHandlers({ models, occupancy, run }: HaikuDeps): Handlers<RoutesOf<'haiku'>> {
  let running: AbortController | null = null
  return {
    'haiku.run': async () => {
      const leave = occupancy.take()
      const abort = (running = new AbortController())
      try {
        const model = await models.ready()
        if (abort.signal.aborted) throw new KigoError('CANCELLED')
        return await run(model, abort.signal)
      } finally {
        running = null
        leave()
      }
    },
    'haiku.stop': () => {
      running?.abort()
      return null
    },
  }
}
