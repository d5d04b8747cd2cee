/** html.unescape() for the entities that are met: numbers, and the names of Latin-1 and of common signs. */
import { TemplateError } from './errors.ts'

const LATIN =
  'nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para ' +
  'middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute ' +
  'Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml ' +
  'Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml ' +
  'eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml'
const NAMES = new Map<string, string>([
  ...LATIN.split(' ').map((name, i): [string, string] => [name, String.fromCodePoint(0xa0 + i)]),
  ...Object.entries({
    amp: '&',
    lt: '<',
    gt: '>',
    quot: '"',
    apos: "'",
    AMP: '&',
    LT: '<',
    GT: '>',
    QUOT: '"',
    ndash: '–',
  }),
  ...Object.entries({
    mdash: '—',
    lsquo: '‘',
    rsquo: '’',
    ldquo: '“',
    rdquo: '”',
    hellip: '…',
    bull: '•',
    euro: '€',
  }),
  ...Object.entries({
    trade: '™',
    larr: '←',
    rarr: '→',
    uarr: '↑',
    darr: '↓',
    infin: '∞',
    ne: '≠',
    le: '≤',
    ge: '≥',
  }),
])
/** Names that count without their semicolon: those of the first HTML. */
const BARE = new Set([...LATIN.split(' '), ...'amp lt gt quot AMP LT GT QUOT'.split(' ')])

// What the numbers 0x80 to 0x9f mean to browsers.
const WINDOWS = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ'

export function unescape(text: string): string {
  return text.replace(/&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/g, (whole, inside: string) => {
    if (inside.startsWith('#')) return fromNumber(inside.slice(1).replace(';', ''))
    const name = inside.replace(/;$/, '')
    const named = NAMES.get(name)
    if (named !== undefined && (inside.endsWith(';') || BARE.has(name))) return named
    for (let length = name.length; length > 1; length--) {
      const start = name.slice(0, length)
      if (BARE.has(start)) return (NAMES.get(start) as string) + inside.slice(length)
    }
    // There are two thousand more names; to leave one as it is could be wrong without a word.
    if (inside.endsWith(';') && /^[A-Za-z][A-Za-z0-9]+;$/.test(inside))
      throw new TemplateError('ValueError', `the entity &${inside} is not known here`)
    return whole
  })
}

function fromNumber(digits: string): string {
  const code = /^[xX]/.test(digits) ? Number.parseInt(digits.slice(1), 16) : Number(digits)
  if (code >= 0x80 && code <= 0x9f) return WINDOWS[code - 0x80] as string
  if (code === 0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return '\ufffd'
  if (code === 0x0d) return '\r'
  const invalid = code <= 8 || code === 0xb || (code >= 0xe && code <= 0x1f) || code === 0x7f
  return invalid || (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe
    ? ''
    : String.fromCodePoint(code)
}
