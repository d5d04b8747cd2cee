/** Runners of tests. Each resolves to {passed, failed, skipped: [{name, reason}]}; one that crashes has failed. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
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
  return settle(status, readReport(report))
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return { passed: 0, failed: 0, skipped: [] } // it crashed before it could write
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

/** The native tests (doctest) of one CMake preset. */
export async function doctest(preset, env = {}) {
  const built = await node(['scripts/build-native.mjs', '--preset', preset, '--tests'], { stdio: INHERIT })
  if (built !== 0) return settle(built, { passed: 0, failed: 0, skipped: [] })
  let output = ''
  const status = await run(join(root, 'build', 'native', preset, 'kigo_tests'), [], {
    env,
    onOutput(text) {
      output += text
      process.stdout.write(text)
    },
  })
  const [, passed = 0, failed = 0] =
    /test cases:\s*\d+\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed/.exec(output) ?? []
  const skipped = [...output.matchAll(/skipped: (.*)/g)].map(([, reason]) => ({
    name: `native, ${preset}`,
    reason,
  }))
  return settle(status, { passed: Number(passed), failed: Number(failed), skipped })
}

/** A status that the counts do not explain, or no test at all, is a failure. */
function settle(status, report) {
  const unexplained = (status !== 0 && report.failed === 0) || (report.passed === 0 && report.failed === 0)
  if (unexplained)
    console.log(`FAILED  the runner ended with status ${status} and ${report.passed} passed tests`)
  return { ...report, failed: report.failed + (unexplained ? 1 : 0) }
}
