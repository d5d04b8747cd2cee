import { parseArgs } from 'node:util'
import { kigo, MODELS } from './processes.mjs'
import { median, table } from './statistics.mjs'

const GOAL = 57

/** The haiku test for every minute of the hour, each in its own process with fresh random seeds. */
export async function haiku(args) {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string' },
      model: { type: 'string' },
      quiet: { type: 'boolean', default: false },
    },
  })
  const minutes = values.minutes
    ? values.minutes.split(',').map(Number)
    : Array.from({ length: 60 }, (_, minute) => minute)
  const model = values.model ?? Object.values(MODELS)[0]
  const results = []
  for (const minute of minutes) {
    const result = await kigo('haiku', '--model', model, '--minute', String(minute))
    results.push(result)
    const tries = `${result.attempts.length} attempt${result.attempts.length === 1 ? '' : 's'}, ${result.seconds.toFixed(1)} s`
    console.error(`${result.words}: ${result.ok ? tries : `FAILED after ${tries}`}`)
    if (!values.quiet && result.ok) console.error(result.haiku.replaceAll(/^/gm, '    '))
  }
  const passed = results.filter(({ ok }) => ok)
  const attempts = results.map((result) => result.attempts.length)
  const all = attempts.reduce((sum, n) => sum + n, 0)
  console.log(
    table([
      [
        'haiku test',
        'minutes',
        'passed',
        'attempts',
        'attempts that pass',
        'median',
        'most',
        'median seconds',
      ],
      [
        results[0].model,
        minutes.length,
        passed.length,
        all,
        `${((100 * passed.length) / all).toFixed(0)} %`,
        median(attempts),
        Math.max(...attempts),
        median(results.map(({ seconds }) => seconds)).toFixed(2),
      ],
    ]),
  )
  if (minutes.length === 60 && passed.length < GOAL) process.exitCode = 1
  return results
}
