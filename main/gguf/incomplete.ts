/** A file that is not the whole model, by its name: a piece of a file that was cut, or a download that goes on. */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { KigoError } from '../../contract/errors.ts'
import { shellName } from './foreign.ts'

/** m.gguf-split-a, m.gguf.part1of2, m.gguf.part_aa, m.gguf.001, m.gguf.aa; the number or letters come last. */
const PIECE_NAMES: readonly RegExp[] = [
  /^(?<whole>.+\.gguf)(?<mark>[-._]?(?:split|part|piece|chunk)[-._]?)(?<place>\d{1,5}|[a-z]{1,3})(?:[-._]?of[-._]?\d{1,5})?$/i,
  /^(?<whole>.+\.gguf)(?<mark>[-._])(?<place>\d{1,5}|[a-c]?[a-z])(?:[-._]?of[-._]?\d{1,5})?$/i,
]

/** As browsers and download programs name a file until it is whole. */
const UNFINISHED_NAME =
  /\.(part|partial|crdownload|opdownload|download|incomplete|filepart|aria2|tmp|!qb|!ut)$/i

/** `error` with what the file's name says about it, where a whole file would have another one. */
export async function sayWhatIsIncomplete(thrown: unknown, given: string): Promise<unknown> {
  if (!(thrown instanceof KigoError)) return thrown
  if (thrown.code !== 'MODEL_NOT_GGUF' && thrown.code !== 'MODEL_TRUNCATED') return thrown
  const named = thrown.data?.['path']
  const file = typeof named === 'string' ? named : given
  const base = path.basename(file)
  const say = (message: string, hint: string): KigoError =>
    new KigoError(thrown.code, message, { hint, data: thrown.data, cause: thrown })

  const unfinished = UNFINISHED_NAME.exec(base)
  if (unfinished) {
    return say(
      `This is a download that did not finish: its name ends in ${unfinished[0]}.`,
      'Let the download end, or start it again; then open the file by its final name.',
    )
  }
  const piece = pieceName(base)
  if (!piece) return thrown
  return say(
    `This is one piece of a model file that was cut into pieces: ${base}.`,
    await joinHint(file, piece),
  )
}

interface Piece {
  base: string
  /** The name of the file that was cut. */
  whole: string
  mark: string
  place: string
}

function pieceName(base: string): Piece | undefined {
  for (const pattern of PIECE_NAMES) {
    const { whole, mark, place } = pattern.exec(base)?.groups ?? {}
    if (whole !== undefined && mark !== undefined && place !== undefined) return { base, whole, mark, place }
  }
  return undefined
}

/** The one command that makes the file of all pieces that lie beside each other. */
async function joinHint(file: string, given: Piece): Promise<string> {
  const names = await readdir(path.dirname(file)).catch(() => [given.base])
  const pieces = names
    .flatMap((name) => pieceName(name) ?? [])
    .filter(({ whole, mark }) => whole === given.whole && mark === given.mark)
    .sort((a, b) => a.place.length - b.place.length || (a.place < b.place ? -1 : 1))
    .map(({ base }) => shellName(base))
  const whole = shellName(given.whole)
  const command =
    process.platform === 'win32'
      ? `copy /b ${pieces.join(' + ')} ${whole}`
      : `cat ${pieces.join(' ')} > ${whole}`
  const first =
    pieces.length > 1
      ? 'Join them in their folder'
      : 'Put all of them into one folder and join them there in order'
  return `${first}, then open the result: ${command}`
}
