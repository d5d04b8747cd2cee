/**
 * `npm run mutate -- FOLDER`: changes the code of a folder (or of one file) in hundreds of small ways, and tells how many
 * of them its own unit tests notice, without those of many inputs (scripts/testing/mutate.vitest.config.ts). Each that
 * survives is listed: a promise that no test holds.
 */
import './node-version.mjs'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { cache, main, node, root, SetupError } from './setup/project.mjs'
import { setUp } from './setup/setup.mjs'

const work = join(cache, 'mutate')
const report = join(work, 'report.json')
/** Stryker counts these as noticed. */
const NOTICED = ['Killed', 'Timeout']
/** What cannot run says nothing about tests. */
const INVALID = ['CompileError', 'RuntimeError', 'Ignored']

await main(async () => {
  const given = process.argv[2]
  const path = given && relative(root, resolve(process.env.INIT_CWD ?? '.', given)).replaceAll('\\', '/')
  if (!path || path.startsWith('..') || !existsSync(join(root, path)))
    throw new SetupError(
      given ? `There is no ${given} here.` : 'Which code is to be changed?',
      'Name a folder or a file, as in `npm run mutate -- main/ipc`.',
    )
  await setUp({ window: false, models: ['smollm2', 'gemma3'] })
  prepare()
  writeFileSync(join(work, 'stryker.json'), JSON.stringify(config(path)))
  const stryker = join(root, 'node_modules', '@stryker-mutator', 'core', 'bin', 'stryker.js')
  const status = await node([stryker, 'run', join(work, 'stryker.json')], {
    stdio: 'inherit',
    env: { KIGO_CHECKOUT: root, KIGO_MUTATED: testsOf(path) },
  })
  if (status !== 0) throw new SetupError(`Stryker ended with status ${status}.`, 'Its output above says why.')
  tell(path)
})

/** A place for copies of the checkout, beside which lies what lies beside the checkout. */
function prepare() {
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  const shared = join(root, '..', 'shared')
  if (existsSync(shared)) symlinkSync(shared, join(work, 'shared'), 'junction')
}

function config(path) {
  const sources = statSync(join(root, path)).isDirectory() ? `${path}/**/*.{ts,tsx,mjs}` : path
  return {
    mutate: [sources, '!**/*.test.*', '!**/testing/**', '!**/*.config.*', '!**/dev/**'],
    testRunner: 'vitest',
    plugins: ['@stryker-mutator/vitest-runner'],
    vitest: { configFile: 'scripts/testing/mutate.vitest.config.ts', related: false },
    ignorePatterns: ['.cache', 'dist', 'build', 'release', 'test-results'],
    tempDirName: relative(root, work),
    buildCommand: 'node scripts/testing/mutate-copy.mjs',
    concurrency: Math.min(2, availableParallelism()),
    reporters: ['clear-text', 'json'],
    clearTextReporter: { allowEmojis: false, logTests: false, reportTests: false, skipFull: true },
    jsonReporter: { fileName: report },
    allowEmpty: false,
  }
}

/** A file's own tests where it has some, else all of its folder. */
function testsOf(path) {
  if (statSync(join(root, path)).isDirectory()) return `${path}/**/*.test.{ts,tsx,mjs}`
  const own = path.replace(/(\.[a-z]+)$/, '.test$1')
  return existsSync(join(root, own)) ? own : `${path.replace(/\/[^/]*$/, '')}/*.test.{ts,tsx,mjs}`
}

function tell(path) {
  const { files } = JSON.parse(readFileSync(report, 'utf8'))
  const valid = Object.values(files)
    .flatMap((file) => file.mutants.map(({ status }) => status))
    .filter((status) => !INVALID.includes(status))
  const noticed = valid.filter((status) => NOTICED.includes(status)).length
  const percent = ((noticed / valid.length) * 100).toFixed(1)
  console.log(`${path}: the tests notice ${noticed} of ${valid.length} changes, ${percent}%`)
}
