/** What SQLite throws, as an error of Kigo's that says what to do. */
import { KigoError, type ErrorCode } from '../../../contract/errors.ts'

/** By the first words of SQLite's result code. */
const CODES: readonly [RegExp, ErrorCode, string?][] = [
  [/^SQLITE_(CORRUPT|NOTADB)/, 'STORE_DAMAGED'],
  [/^SQLITE_FULL/, 'STORE_UNWRITABLE', 'The disk is full, so the conversation could not be saved.'],
  [
    /^SQLITE_(BUSY|LOCKED)/,
    'STORE_UNWRITABLE',
    'Another program has the file of the conversations open and locked.',
  ],
  [/^SQLITE_(READONLY|IOERR|CANTOPEN|PERM|AUTH)/, 'STORE_UNWRITABLE'],
]
/** Of the file system, around SQLite. */
const SYSTEM =
  /^(EACCES|EPERM|EROFS|ENOSPC|EIO|EISDIR|ENOTDIR|EEXIST|ENAMETOOLONG|ELOOP|EMFILE|ENFILE|EBUSY)$/

export function storeError(thrown: unknown, file: string): KigoError {
  if (thrown instanceof KigoError) return thrown
  const code = codeOf(thrown)
  const data = { file, message: thrown instanceof Error ? thrown.message : String(thrown), sqlite: code }
  for (const [pattern, kigo, sentence] of CODES) {
    if (pattern.test(code)) return new KigoError(kigo, sentence, { data, cause: thrown })
  }
  if (SYSTEM.test(code)) return new KigoError('STORE_UNWRITABLE', undefined, { data, cause: thrown })
  return KigoError.from(thrown)
}

/** The bytes of the file are not those that SQLite wrote. */
export function isDamage(thrown: unknown): boolean {
  return codeOf(thrown) === 'STORE_DAMAGED' || /^SQLITE_(CORRUPT|NOTADB)/.test(codeOf(thrown))
}

function codeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return ''
  // libsql's only error without SQLite's code: the file could not be opened.
  if (thrown.message.startsWith('ConnectionFailed')) return 'SQLITE_CANTOPEN'
  return 'code' in thrown ? String(thrown.code) : ''
}
