/** The filter urlize: addresses in a text become links. */
import { slice } from './access.ts'
import { TemplateError } from './errors.ts'
import { filter, type Filter } from './filter.ts'
import { compare } from './operators.ts'
import { compareText, points, SPACE, words as wordsOf } from './text.ts'
import { escapeText, repr, str, escape } from './print.ts'
import { each, isText, Markup, textOf, truth, type Value } from './values.ts'

const W = '[\\p{L}\\p{N}_'
const HTTP = new RegExp(
  `^((https?://|www\\.)((${W}%-]+\\.)+)?([a-z]{2,63}|xn--${W}%]{2,59})|(${W}%-]{2,63}\\.)+(com|net|int|edu|gov|org|info|mil)|` +
    `(https?://)((([\\p{Nd}]{1,3})(\\.[\\p{Nd}]{1,3}){3})|(\\[([\\p{Nd}a-f]{0,4}:){2}([\\p{Nd}a-f]{0,4}:?){1,6}\\])))` +
    `(?::[\\p{Nd}]{1,5})?(?:[/?#][^${SPACE}]*)?$`,
  'iu',
)
const EMAIL = new RegExp(`^[^${SPACE}]+@${W}]${W}.-]*\\.${W}]+$`, 'u')
const SCHEME = /^[\p{L}\p{N}_.+-]{2,}:(\/){0,2}$/u
const SPACES = new RegExp(`([${SPACE}]+)`)

interface Options {
  /** Whatever was given for it is looked at only where there is an address. */
  limit: Value
  rel: string
  target: string
  schemes: string[]
}

function urlize(source: string, options: Options): string {
  return source
    .split(SPACES)
    .map((word) => link(word, options))
    .join('')
}

const PAIRS = [
  ['(', ')'],
  ['<', '>'],
  ['&lt;', '&gt;'],
] as const

function count(text: string, part: string): number {
  return text.split(part).length - 1
}

function link(word: string, { limit, rel, target, schemes }: Options): string {
  const head = /^(?:[(<]|&lt;)+/.exec(word)?.[0] ?? ''
  let middle = word.slice(head.length)
  let tail = /(?:[)>.,\n]|&gt;)+$/.exec(middle)?.[0] ?? ''
  middle = middle.slice(0, middle.length - tail.length)
  for (const [open, close] of PAIRS) {
    const opened = count(middle, open)
    if (opened <= count(middle, close)) continue
    for (let left = Math.min(opened, count(tail, close)); left > 0; left--) {
      const end = tail.indexOf(close) + close.length
      middle += tail.slice(0, end)
      tail = tail.slice(end)
    }
  }
  const attributes =
    (rel === '' ? '' : ` rel="${escapeText(rel)}"`) + (target === '' ? '' : ` target="${escapeText(target)}"`)
  if (HTTP.test(middle)) {
    const address = /^https?:\/\//.test(middle) ? middle : `https://${middle}`
    middle = `<a href="${address}"${attributes}>${shortened(middle, limit)}</a>`
  } else if (middle.startsWith('mailto:') && EMAIL.test(middle.slice(7))) {
    middle = `<a href="${middle}">${middle.slice(7)}</a>`
  } else if (
    middle.includes('@') &&
    !/^(?:www\.|@)/.test(middle) &&
    !middle.includes(':') &&
    EMAIL.test(middle)
  ) {
    middle = `<a href="mailto:${middle}">${middle}</a>`
  } else {
    for (const scheme of schemes)
      if (middle !== scheme && middle.startsWith(scheme))
        middle = `<a href="${middle}"${attributes}>${middle}</a>`
  }
  return head + middle + tail
}

function shortened(text: string, limit: Value): string {
  if (limit === null || !compare('>', BigInt(points(text).length), limit)) return text
  return `${textOf(slice(text, null, limit, null) as string)}...`
}

function optionsOf([limit = null, nofollow = false, target = null, rel = null, schemes = null]: (
  | Value
  | undefined
)[]): Options {
  const relations = new Set(rel === null || !truth(rel) ? [] : wordsOf(str(rel)))
  if (truth(nofollow)) relations.add('nofollow')
  relations.add('noopener')
  const extra = schemes === null ? [] : [...each(schemes)].map(str)
  for (const scheme of extra)
    if (!SCHEME.test(scheme))
      throw new TemplateError('FilterArgumentError', `${repr(scheme)} is not a valid URI scheme prefix.`)
  return {
    limit,
    rel: [...relations].sort(compareText).join(' '),
    target: target === null ? '' : isText(target) ? textOf(target) : str(target),
    schemes: extra,
  }
}

export const FILTER_URLIZE: [string, Filter] = filter(
  'urlize',
  'trim_url_limit? nofollow? target? rel? extra_schemes?',
  (value, args, { autoescape }) => {
    const text = urlize(escape(value).text, optionsOf(args))
    return autoescape ? new Markup(text) : text
  },
)
