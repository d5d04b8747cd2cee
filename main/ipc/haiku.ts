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
  let running: { abort: AbortController; ended: Promise<unknown> } | null = null
  return {
    'haiku.run': () => {
      const leave = occupancy.take()
      const abort = new AbortController()
      const result = Promise.race([models.ready(), cancelled(abort.signal)])
        .then((model) => run(model, abort.signal))
        .finally(() => {
          running = null
          leave()
        })
      running = { abort, ended: result.catch(() => {}) }
      return result
    },
    /** Answers when it has ended, so that the next may begin at once. */
    'haiku.stop': async () => {
      running?.abort.abort()
      await running?.ended
      return null
    },
  }
}

const cancelled = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) =>
    signal.addEventListener('abort', () => reject(new KigoError('CANCELLED')), { once: true }),
  )
