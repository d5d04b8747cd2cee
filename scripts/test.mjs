/**
 * `npm test [-- PART…]`: sets up what is missing, runs everything (or the named parts), says which Electron was
 * used, what was skipped and what failed and why, and ends with `N passed, N failed`.
 */
import './node-version.mjs'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findElectron } from './setup/electron.mjs'
import { npmPackages } from './setup/npm-packages.mjs'
import { main, root, SetupError } from './setup/project.mjs'
import { setUp } from './setup/setup.mjs'
import * as checks from './testing/checks.mjs'
import { doctest, simulatedGpu, vitest, withDisplay } from './testing/runners.mjs'

const ASAN = { ASAN_OPTIONS: 'detect_leaks=1:strict_string_checks=1', UBSAN_OPTIONS: 'print_stacktrace=1' }
const windowTests = (name, config) => withDisplay((env) => vitest(name, config, { env }))

/** The parts, in the order in which they run: what fails fast comes first. */
const PARTS = {
  lint: [
    checks.format,
    checks.formatNative,
    checks.lint,
    checks.types,
    checks.pageTypes,
    checks.imports,
    checks.includes,
    checks.notices,
    checks.documents,
  ],
  types: [checks.types, checks.pageTypes],
  unit: [() => vitest('unit', 'vitest.config.ts')],
  native: [
    () => doctest('release', { cuda: true }),
    () => doctest('asan', { env: ASAN }),
    () => simulatedGpu('simulated'),
  ],
  races: [() => simulatedGpu('checked')],
  e2e: [() => windowTests('e2e', 'e2e/vitest.config.ts')],
  dist: [() => windowTests('dist', 'e2e/dist.vitest.config.ts')],
}
const ALL = ['lint', 'unit', 'native', 'e2e', 'dist']
const READS_ONLY = ['lint', 'types']
const SHOWS_WINDOWS = ['e2e', 'dist']

await main(async () => {
  const parts = process.argv.length > 2 ? process.argv.slice(2) : ALL
  const unknown = parts.find((part) => !Object.hasOwn(PARTS, part))
  if (unknown)
    throw new SetupError(
      `There is no part named ${unknown}.`,
      `The parts are ${Object.keys(PARTS).join(', ')}.`,
    )

  await (parts.every((part) => READS_ONLY.includes(part))
    ? npmPackages()
    : setUp({ tests: true, models: ['smollm2', 'gemma3'] }))
  const results = []
  for (const part of parts) results.push(await runPart(part))

  const electron = findElectron()
  console.log('\n──── Summary')
  for (const { part, passed, failures, seconds } of results) {
    const counts = `${String(passed).padStart(5)} passed ${String(failures.length).padStart(3)} failed`
    console.log(`${part.padEnd(8)} ${counts}  ${seconds} s`)
  }
  const used = parts.some((part) => SHOWS_WINDOWS.includes(part)) ? 'used' : 'not used by these parts'
  console.log(
    electron
      ? `Electron ${electron.version} (${electron.kind}), ${used}: ${electron.path}`
      : 'Electron: none yet',
  )
  const golden = existsSync(join(root, '..', 'shared', 'golden'))
  console.log(
    golden ? 'Golden data: there' : 'Golden data: not there, so the tests that need it were skipped',
  )
  sayEach(
    'Skipped',
    results.flatMap((result) => result.skipped),
  )
  const failures = results.flatMap((result) => result.failures)
  if (failures.length > 0) sayEach('Failed', failures)
  const passed = results.reduce((total, result) => total + result.passed, 0)
  console.log(`\n${passed} passed, ${failures.length} failed`)
  return failures.length === 0 ? 0 : 1
})

async function runPart(part) {
  const start = Date.now()
  const total = { part, passed: 0, failures: [], skipped: [] }
  console.log(`\n──── ${part}`)
  for (const runner of PARTS[part]) {
    const result = await runner().catch(crashed)
    total.passed += result.passed
    total.failures.push(...result.failures)
    total.skipped.push(...result.skipped)
  }
  return { ...total, seconds: Math.round((Date.now() - start) / 1000) }
}

function crashed(error) {
  console.log(`FAILED  ${error.message}`)
  return { passed: 0, failures: [{ name: 'runner', reason: error.message }], skipped: [] }
}

function sayEach(what, list) {
  console.log(list.length === 0 ? `${what}: nothing` : `${what}, ${list.length}:`)
  for (const { name, reason } of list) console.log(`  ${name}: ${reason || 'no reason given'}`)
}
