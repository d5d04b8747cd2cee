/**
 * The inputs of the haiku test in the window: the minute of the clock and fresh seeds. Tests set both through
 * the environment, so that none depends on the clock or on luck; how a haiku is made and judged stays the same.
 */
import { z } from 'zod'
import { KigoError } from '../contract/errors.ts'

export interface HaikuInputs {
  minute: number
  /** Left out: fresh random ones. */
  seeds?: number[]
}

const whole = (max: number) =>
  z.string().regex(/^\d+$/, 'not a whole number').transform(Number).pipe(z.int().max(max))

const Environment = z.object({
  KIGO_HAIKU_MINUTE: whole(59).optional(),
  KIGO_HAIKU_SEEDS: z
    .string()
    .transform((list) => list.split(','))
    .pipe(z.array(whole(0xffff_ffff)))
    .optional(),
})

/** INVALID_INPUT where a variable is set to what it cannot be. */
export function haikuInputs(env: Record<string, string | undefined>, now: Date): HaikuInputs {
  const parsed = Environment.safeParse(env)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new KigoError('INVALID_INPUT', `${String(issue?.path[0])} is not valid: ${issue?.message ?? ''}`)
  }
  const { KIGO_HAIKU_MINUTE: minute, KIGO_HAIKU_SEEDS: seeds } = parsed.data
  return { minute: minute ?? now.getMinutes(), ...(seeds ? { seeds } : {}) }
}
