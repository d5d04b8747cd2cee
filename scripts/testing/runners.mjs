/**
 * Runners of tests. Each resolves to {passed, failures, skipped}, the latter two lists of {name, reason}; one that
 * crashes has failed.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { architecturesToTest } from '../setup/cuda.mjs'
import { cache, node, root, run } from '../setup/project.mjs'
import { startXvfb } from '../setup/display.mjs'

const VITEST = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const INHERIT = ['ignore', 1, 2]

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
 * The native tests (doctest) of one CMake preset; `cuda`: with the CUDA libraries, where they can be compiled; `cases`:
 * doctest's filters.
 */
export async function doctest(preset, { env = {}, cuda = false, cases = [] } = {}) {
  const name = `native, ${preset}`
  const architectures = cuda ? await architecturesToTest() : null
  const flags = ['--preset', preset, '--tests', ...(architectures ? ['--cuda', architectures] : [])]
  const built = await node(['scripts/build-native.mjs', ...flags], { stdio: INHERIT })
  if (built !== 0) return settle(`${name}, build`, built, { passed: 0, failures: [], skipped: [] })
  let output = ''
  const status = await run(join(root, 'build', 'native', preset, 'kigo_tests'), cases, {
    env,
    onOutput(text) {
      output += text
      process.stdout.write(text)
    },
  })
  const [, passed = 0] = /test cases:\s*\d+\s*\|\s*(\d+) passed/.exec(output) ?? []
  const named = (reasons) => [...new Set(reasons)].map((reason) => ({ name, reason }))
  const failures = named(failedCases(output))
  const skipped = named([...output.matchAll(/skipped: (.*)/g)].map(([, reason]) => reason))
  return settle(name, status, { passed: Number(passed), failures, skipped })
}

// What runs on a GPU: the cases named so, those of a false cuBLAS, and of those that every backend has to pass, the CUDA twins'.
const GPU_CASES = [
  ['--test-case=cuda: *,cuda by itself: *cuBLAS*'],
  ['--source-file=*conformance_test.cpp,*generate_test.cpp', '--subcase=cuda *'],
]

/**
 * The native tests that need a GPU, on one that is simulated: small ones, for they take a thousand times longer.
 * `preset`: 'simulated', or 'checked', which also looks for races and reads of memory that nothing wrote.
 */
export async function simulatedGpu(preset) {
  const skip = (reason) => ({ passed: 0, failures: [], skipped: [{ name: `native, ${preset}`, reason }] })
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return skip('GPUs are simulated on Linux and x86-64 alone')
  if (!(await architecturesToTest()))
    return skip("there is no CUDA toolkit, whose headers the simulated GPU's code needs")
  const total = { passed: 0, failures: [], skipped: [] }
  for (const cases of GPU_CASES) {
    const result = await doctest(preset, { env: { KIGO_SMALL_TESTS: '1' }, cases })
    total.passed += result.passed
    total.failures.push(...result.failures)
    total.skipped.push(...result.skipped)
  }
  return total
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
