/** Checks that run no code of ours: format, lint, types, import rules. Each counts as one test. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, node, root, run, say } from '../setup/project.mjs'
import { brokenNames } from './documents.mjs'
import { nativeIncludeBreaches } from './native-includes.mjs'

const bin = (name, ...path) => join(root, 'node_modules', name, ...path)
const OXFMT = bin('oxfmt', 'bin', 'oxfmt')
const CLANG_FORMAT = '14' // Debian 12's; other versions break lines elsewhere

export const format = () =>
  check('format of TypeScript, CSS and JSON (mend: npm run format)', () => node([OXFMT, '--check'], OUT))
export const writeFormat = () => node([OXFMT])

export async function formatNative() {
  const program = await clangFormat()
  if (!program) return skip('format of C++', `there is no clang-format ${CLANG_FORMAT} here`)
  return check('format of C++ (mend: npm run format)', () =>
    run(program, ['--dry-run', '-Werror', '--ferror-limit=1', ...nativeSources()], OUT),
  )
}
export async function writeNativeFormat() {
  const program = await clangFormat()
  if (program) return run(program, ['-i', ...nativeSources()])
  say(`C++ was left as it is: there is no clang-format ${CLANG_FORMAT} here`)
  return 0
}

export const lint = () =>
  check('lint', () => node([bin('oxlint', 'bin', 'oxlint'), '--type-aware', '--deny-warnings'], OUT))

const TSC = bin('typescript', 'bin', 'tsc')
export const types = () => check('types of contract, main, e2e and bench', () => node([TSC, '-p', '.'], OUT))
export const pageTypes = () => check('types of renderer', () => node([TSC, '-p', 'renderer'], OUT))

const DEPCRUISE = bin('dependency-cruiser', 'bin', 'dependency-cruise.mjs')
export const imports = () =>
  check('import rules', () =>
    node([DEPCRUISE, '--config', '.dependency-cruiser.cjs', 'contract', 'main', 'renderer'], OUT),
  )
export const includes = () => check('include rules of C++', () => tell(nativeIncludeBreaches()))
export const documents = () => check('names of files in the documents', () => tell(brokenNames()))

/** Prints what is wrong; how much there is of it is the status. */
function tell(lines) {
  for (const line of lines) console.log(line)
  return lines.length
}

export const notices = () => check('third-party notices', () => node(['scripts/notices.mjs', '--check'], OUT))

const OUT = { stdio: ['ignore', 1, 2] }

async function check(name, work) {
  const status = await work()
  console.log(`${status === 0 ? '  ok  ' : 'FAILED'}  ${name}`)
  if (status === 0) return { passed: 1, failures: [], skipped: [] }
  return { passed: 0, failures: [{ name: 'lint', reason: name }], skipped: [] }
}

function skip(name, reason) {
  return { passed: 0, failures: [], skipped: [{ name, reason }] }
}

async function clangFormat() {
  const named = findProgram(`clang-format-${CLANG_FORMAT}`)
  if (named) return named
  const program = findProgram('clang-format')
  if (!program) return null
  let words = ''
  await run(program, ['--version'], { onOutput: (text) => (words += text) })
  return new RegExp(`version ${CLANG_FORMAT}\\.`).test(words) ? program : null
}

function nativeSources() {
  return readdirSync(join(root, 'native'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(c|cpp|h|inl|cu|cuh)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}
