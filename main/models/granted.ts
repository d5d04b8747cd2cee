/**
 * The files that the page may name: those that a person gave to Kigo. The page is untrusted, and a path alone can do
 * harm: Windows logs in to whatever share `\\host\share` names.
 */
import path from 'node:path'
import { KigoError } from '../../contract/errors.ts'

export interface GrantedPaths {
  /** A person chose it: by the dialog, by a drop, as an argument. */
  grant(file: string): void
  /** A person gave it, and it can be no file: whoever asks for it gets `problem`. */
  refuse(given: string, problem: KigoError): void
  /** INVALID_INPUT where it is not absolute, FORBIDDEN where nobody gave it. */
  check(file: string): void
}

/** `listed` are the files that Kigo itself shows: the recent ones and the one that comes with it. */
export function createGrantedPaths(listed: () => Iterable<string>): GrantedPaths {
  const granted = new Set<string>()
  const refused = new Map<string, KigoError>()
  return {
    grant(file) {
      if (path.isAbsolute(file)) granted.add(path.normalize(file))
    },
    refuse(given, problem) {
      refused.set(given, problem)
    },
    check(file) {
      const problem = refused.get(file)
      if (problem) throw problem
      const data = { path: file }
      if (!path.isAbsolute(file)) throw new KigoError('INVALID_INPUT', 'A path must be absolute.', { data })
      const whole = path.normalize(file)
      if (granted.has(whole)) return
      // Once named it stays named: it may be loaded while it is taken off the list.
      if ([...listed()].some((known) => path.normalize(known) === whole)) return void granted.add(whole)
      throw new KigoError('FORBIDDEN', 'Nobody gave this file to Kigo, so it is not opened.', {
        hint: 'Choose it with Open model, or drop it on the window.',
        data,
      })
    },
  }
}
