// npm run fuzz -- [SECONDS] [SEED]: every *.fuzz.test.ts with fresh seeds for as long as asked (600 s by default).
// A failure prints its seed; `npm run fuzz -- 1 THAT_SEED` shows it again.
import { spawnSync } from 'node:child_process'

const [seconds = '600', seed = String(Math.floor(Math.random() * 2 ** 31))] = process.argv.slice(2)
if (![seconds, seed].every((text) => /^\d+$/.test(text))) {
  console.error('Usage: npm run fuzz -- [SECONDS] [SEED]')
  process.exit(2)
}
console.log(`Fuzzing for ${seconds} s a file, seed ${seed}`)
const vitest = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', '.fuzz.test.ts'], {
  stdio: 'inherit',
  env: { ...process.env, KIGO_FUZZ_SECONDS: seconds, KIGO_FUZZ_SEED: seed },
})
process.exit(vitest.status ?? 1)
