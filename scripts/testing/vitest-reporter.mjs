/**
 * Vitest reporter: writes what happened as JSON to KIGO_TEST_REPORT, with the reason of every skipped test.
 * What goes wrong outside of a test (a file that does not load, a hook, a stray rejection) counts as failed.
 */
import { writeFileSync } from 'node:fs'

export default class Report {
  onTestRunEnd(modules, unhandled) {
    const report = { passed: 0, failed: unhandled.length, skipped: [] }
    for (const module of modules) {
      report.failed += module.errors().length
      for (const suite of module.children.allSuites()) report.failed += suite.errors().length
      for (const test of module.children.allTests()) count(report, module, test)
    }
    writeFileSync(process.env.KIGO_TEST_REPORT, JSON.stringify(report))
  }
}

function count(report, module, test) {
  const result = test.result()
  if (result.state === 'passed') report.passed += 1
  else if (result.state === 'skipped')
    report.skipped.push({
      name: `${module.relativeModuleId}: ${test.fullName}`,
      reason: result.note ?? skippedBy(module),
    })
  else report.failed += 1
}

/** A test without a note was skipped by a condition of its own, or because its file's set-up failed. */
function skippedBy(module) {
  return module.state() === 'failed' ? 'something else in its file failed' : 'by a condition in its file'
}
