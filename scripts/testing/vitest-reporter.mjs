/**
 * Vitest reporter: writes what happened as JSON to KIGO_TEST_REPORT, with the reason of every skipped and every
 * failed test. What goes wrong outside of a test (a file that does not load, a hook, a stray rejection) counts as
 * failed.
 */
import { writeFileSync } from 'node:fs'

export default class Report {
  onTestRunEnd(modules, unhandled) {
    const report = { passed: 0, failures: [], skipped: [] }
    const fail = (name, errors) => report.failures.push({ name, reason: firstLine(errors) })
    for (const error of unhandled) fail('outside of any test', [error])
    for (const module of modules) {
      const file = module.relativeModuleId
      for (const error of module.errors()) fail(file, [error])
      for (const suite of module.children.allSuites())
        for (const error of suite.errors()) fail(`${file}: ${suite.fullName}`, [error])
      for (const test of module.children.allTests()) {
        const { state, note, errors } = test.result()
        const name = `${file}: ${test.fullName}`
        if (state === 'passed') report.passed += 1
        else if (state === 'skipped') report.skipped.push({ name, reason: note ?? skippedBy(module) })
        else fail(name, errors)
      }
    }
    writeFileSync(process.env.KIGO_TEST_REPORT, JSON.stringify(report))
  }
}

/** A test without a note was skipped by a condition of its own, or because its file's set-up failed. */
function skippedBy(module) {
  return module.state() === 'failed' ? 'something else in its file failed' : 'by a condition in its file'
}

function firstLine(errors) {
  return errors?.[0]?.message?.split('\n')[0] ?? 'it gave no reason'
}
