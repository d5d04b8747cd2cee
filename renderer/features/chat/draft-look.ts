import { directionOf } from '../../ui/direction.ts'

/** What the page shows of a draft besides its words. */
export interface DraftLook {
  dir: 'auto' | 'ltr'
  /** There is something to send. */
  filled: boolean
  /** It fills the composer, so that nobody need ask the browser how high it is. */
  long: boolean
}

/** The composer grows up to so many lines. */
const LINES = 10
/** So many characters fill them, however they are set. */
const LONG = 20_000

let last = { draft: '', look: read('') }

/**
 * The look of a draft; the same object as long as it is the same. Few keys change it, and with those that do not the
 * page has nothing to do but what the browser does by itself.
 */
export function lookOf(draft: string): DraftLook {
  if (draft === last.draft) return last.look
  const look = read(draft)
  const { dir, filled, long } = last.look
  const same = look.dir === dir && look.filled === filled && look.long === long
  last = { draft, look: same ? last.look : look }
  return last.look
}

function read(draft: string): DraftLook {
  return { dir: directionOf(draft), filled: /\S/.test(draft), long: draft.length > LONG || linesReach(draft) }
}

function linesReach(draft: string): boolean {
  let end = -1
  for (let line = 1; line < LINES; line++) {
    end = draft.indexOf('\n', end + 1)
    if (end === -1) return false
  }
  return true
}
