/** How Kigo writes numbers: digits grouped, units always there. */
const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 10 })

export const count = (n: number): string => grouped.format(n)

const twoDigits = new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })

const KIB = 1024
const MIB = 1024 ** 2
const GIB = 1024 ** 3

/** 4.68 GiB, 94 MiB, 12 KiB: GiB with two digits, the smaller ones whole. */
export function bytes(n: number): string {
  if (n >= 0.9995 * GIB) return `${twoDigits.format(n / GIB)} GiB`
  if (n >= 0.9995 * MIB) return `${count(Math.round(n / MIB))} MiB`
  if (n >= KIB) return `${count(Math.round(n / KIB))} KiB`
  return `${count(n)} bytes`
}

/** "2.90 of 4.68 GiB": one unit, that of the whole. */
export function bytesOf(part: number, whole: number): string {
  if (whole >= 0.9995 * GIB) return `${twoDigits.format(part / GIB)} of ${twoDigits.format(whole / GIB)} GiB`
  return `${count(Math.round(part / MIB))} of ${count(Math.round(whole / MIB))} MiB`
}

/** Tokens a second: one digit below a hundred, none above. */
export const rate = (perSecond: number): string =>
  `${perSecond < 99.95 ? perSecond.toFixed(1) : count(Math.round(perSecond))} tok/s`

/** Milliseconds as seconds: 0.21 s, 12.4 s, 134 s. */
export function seconds(ms: number): string {
  const s = ms / 1000
  return `${s < 9.995 ? s.toFixed(2) : s < 99.95 ? s.toFixed(1) : count(Math.round(s))} s`
}

/** 8.03 billion, 135 million. */
export function parameters(n: number): string {
  if (n >= 999.5e6) return `${twoDigits.format(n / 1e9)} billion`
  if (n >= 1e6) return `${Math.round(n / 1e6)} million`
  return count(n)
}

export const plural = (n: number, one: string, many = one + 's'): string =>
  `${count(n)} ${n === 1 ? one : many}`

/** "RTX 4070" of "NVIDIA GeForce RTX 4070", where there is little room. */
export const shortName = (device: string): string => device.replace(/^NVIDIA (GeForce )?/, '')

/** A share from 0 to 1 as a width. */
export const percent = (share: number): string => `${Math.min(100, Math.max(0, share * 100)).toFixed(3)}%`

/** The last part of a path, and the folder that holds it. */
export function pathParts(path: string): { file: string; folder: string } {
  const parts = path.split(/[\\/]/)
  return { file: parts.at(-1) ?? path, folder: parts.at(-2) || parts.slice(0, -1).join('/') || '/' }
}

/** "model.gguf in Downloads". */
export function fileAndFolder(path: string): string {
  const { file, folder } = pathParts(path)
  return `${file} in ${folder}`
}

const month = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long' })

/** "today", "yesterday", "18 November". */
export function day(iso: string, now = new Date()): string {
  const then = new Date(iso)
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime()
  if (then.getTime() >= midnight) return 'today'
  if (then.getTime() >= midnight - 86_400_000) return 'yesterday'
  return month.format(then)
}
