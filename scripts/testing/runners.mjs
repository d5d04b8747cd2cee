/**
 * Runners of tests. Each resolves to {passed, failures, skipped}, the latter two lists of {name, reason}; one that
 * crashes has failed.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { architecturesToTest } from '../setup/cuda.mjs'
import { cache, node, root, run } from '../setup/project.mjs'
import { startXvfb } from '../setup/display.mjs'

const VITEST = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const INHERIT = ['ignore', 1, 2]
const NOTHING = { passed: 0, failures: [], skipped: [] }

/** Vitest over one config; `filters` name files. */
export async function vitest(name, config, { filters = [], env = {} } = {}) {
  const report = join(cache, 'test-reports', `${name}.json`)
  mkdirSync(join(cache, 'test-reports'), { recursive: true })
  rmSync(report, { force: true })
  const reporters = [
    '--reporter=default',
    `--reporter=${join(root, 'scripts', 'testing', 'vitest-reporter.mjs')}`,
  ]
  const status = await node([VITEST, 'run', '--config', config, ...reporters, ...filters], {
    env: { ...env, KIGO_TEST_REPORT: report },
    stdio: INHERIT,
  })
  return settle(name, status, readReport(report))
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return { passed: 0, failures: [], skipped: [] } // it crashed before it could write
  }
}

/** Tests that need a window: on a display of their own. */
export async function withDisplay(work) {
  const display = process.platform === 'linux' ? await startXvfb() : { env: {}, stop() {} }
  try {
    return await work(display.env)
  } finally {
    display.stop()
  }
}

/**
 * The native tests (doctest) of one CMake preset; `cuda`: with the CUDA libraries, where they can be compiled.
 */
export async function doctest(preset, { env = {}, cuda = false } = {}) {
  return (await buildTests(preset, cuda)) ?? runTests(preset, [], env, (text) => process.stdout.write(text))
}

/** Null: kigo_tests of the preset is built; else the report of the failure. */
async function buildTests(preset, cuda) {
  const architectures = cuda ? await architecturesToTest() : null
  const flags = ['--preset', preset, '--tests', ...(architectures ? ['--cuda', architectures] : [])]
  const built = await node(['scripts/build-native.mjs', ...flags], { stdio: INHERIT })
  return built === 0 ? null : settle(`native, ${preset}, build`, built, NOTHING)
}

/** One process of kigo_tests; `onOutput` is given what it prints as it comes. */
async function runTests(preset, args, env, onOutput) {
  const name = ['native', preset, ...(args.length > 0 ? [args.join(' ')] : [])].join(', ')
  let output = ''
  const status = await run(testsOf(preset), args, {
    env,
    onOutput(text) {
      output += text
      onOutput(text)
    },
  })
  const [, passed = 0] = /test cases:\s*\d+\s*\|\s*(\d+) passed/.exec(output) ?? []
  const named = (reasons) => [...new Set(reasons)].map((reason) => ({ name: `native, ${preset}`, reason }))
  const failures = named(failedCases(output))
  const skipped = named([...output.matchAll(/skipped: (.*)/g)].map(([, reason]) => reason))
  return settle(name, status, { passed: Number(passed), failures, skipped })
}

const testsOf = (preset) => join(root, 'build', 'native', preset, 'kigo_tests')

// What runs on a GPU: the cases named so, those of a false cuBLAS, and of those that every backend has to pass, the CUDA
// twins'. The longest are cut into shares of what they try (KIGO_TEST_SHARE) and come first, so that none is left alone
// at the end.
const LONG =
  'cuda:*every?variant*,cuda:*types?mixed*,cuda:*in?parts?on?one*,cuda:*GPUs?and?the?CPU*,cuda:?matmul*'
const GPU_CASES = [
  { filters: [`--test-case=${LONG}`], shares: 2 },
  { filters: ['--test-case=cuda: *,cuda by itself: *cuBLAS*', `--test-case-exclude=${LONG}`], shares: 1 },
  { filters: ['--source-file=*conformance_test.cpp,*generate_test.cpp', '--subcase=cuda *'], shares: 1 },
]

/**
 * The native tests that need a GPU, on one that is simulated: small ones, for they take a thousand times longer. Each is
 * a process of its own, as many at a time as there are cores and memory for (sideBySide), and prints what it has to say
 * once it has ended.
 * `preset`: 'simulated', or 'checked', which also looks for races and reads of memory that nothing wrote.
 */
export async function simulatedGpu(preset) {
  const skip = (reason) => ({ passed: 0, failures: [], skipped: [{ name: `native, ${preset}`, reason }] })
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return skip('GPUs are simulated on Linux and x86-64 alone')
  if (!(await architecturesToTest()))
    return skip("there is no CUDA toolkit, whose headers the simulated GPU's code needs")
  const failed = await buildTests(preset, false)
  if (failed) return failed

  const pieces = []
  for (const { filters, shares } of GPU_CASES) {
    const count = await countCases(preset, filters)
    if (count === 0) return settle(`native, ${preset}, ${filters.join(' ')}`, 0, NOTHING)
    for (let i = 1; i <= count; i++)
      for (let share = 1; share <= shares; share++)
        pieces.push({ args: [...filters, `--first=${i}`, `--last=${i}`], share, shares })
  }
  const total = { passed: 0, failures: [], skipped: [] }
  const takePieces = async () => {
    for (let piece; (piece = pieces.shift());) {
      const env = { KIGO_SMALL_TESTS: '1', KIGO_TEST_SHARE: `${piece.share}/${piece.shares}` }
      let output = ''
      const result = await runTests(preset, piece.args, env, (text) => (output += text))
      process.stdout.write(output)
      // doctest counts all that its filters find as passed. A case counts once, whatever its shares.
      if (piece.share === 1 && result.failures.length === 0) total.passed++
      addNew(total.failures, result.failures)
      addNew(total.skipped, result.skipped)
    }
  }
  await Promise.all(Array.from({ length: sideBySide() }, takePieces))
  return total
}

/** The longest of these tests takes so much memory, bytes. */
const PIECE_BYTES = 2 * 2 ** 30

/** How many such tests run at a time: each computes on one core. */
function sideBySide() {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(process.availableMemory() / PIECE_BYTES)))
}

async function countCases(preset, filters) {
  let output = ''
  await run(testsOf(preset), ['--count', ...filters], { onOutput: (text) => (output += text) })
  return Number(/current filters: (\d+)/.exec(output)?.[1] ?? 0)
}

function addNew(list, items) {
  for (const item of items) {
    if (!list.some(({ name, reason }) => name === item.name && reason === item.reason)) list.push(item)
  }
}

/** doctest heads what a test case prints, errors and messages alike, with its name. */
function failedCases(output) {
  const sections = output.split(/^TEST CASE: {2}/m).slice(1)
  const failed = sections.filter((section) => / ERROR: /.test(section))
  return failed.map((section) => section.split('\n', 1)[0])
}

/** A status that the counts do not explain, or no test at all, is a failure. */
function settle(name, status, report) {
  if (report.failures.length > 0 || (status === 0 && report.passed > 0)) return report
  const reason = `the runner ended with status ${status} and ${report.passed} passed tests`
  console.log(`FAILED  ${name}: ${reason}`)
  return { ...report, failures: [{ name, reason }] }
}
