/** What a file is that is no GGUF, by its first bytes, and how to get to the model from there. */
import { isUtf8 } from 'node:buffer'
import path from 'node:path'
import { KigoError } from '../../contract/errors.ts'
import { quote } from './metadata.ts'

/** As much of a file's beginning as foreignFile() looks at. */
export const START_BYTES = 512

interface Format {
  /** Completes "This is …." */
  what: string
  hint: string
  is: (start: Buffer) => boolean
}

const GET_GGUF = 'Choose the GGUF version of the same model.'
const CHOOSE_GGUF = 'Choose a file whose name ends in .gguf.'
const UNPACK = 'Unpack it first, and open the .gguf file that comes out.'

/** Texts are looked for at the beginning; hexadecimal digits are the bytes there. */
const begins = (text: string) => (start: Buffer) => start.toString('latin1').startsWith(text)
const bytes = (hex: string) => (start: Buffer) => start.toString('hex').startsWith(hex)
const packed = (what: string, hex: string, hint = UNPACK): Format => ({
  what: `${what}, not a GGUF model`,
  hint,
  is: bytes(hex),
})
const old = (name: string, magic: string): Format => ({
  what: `a model in the old ${name} format, from before GGUF`,
  hint: GET_GGUF,
  is: begins(magic),
})
/** A page or message may begin with a mark or white space. */
const words = (start: Buffer): string => start.toString('utf8').replace(/^\uFEFF?\s*/, '')

const FORMATS: readonly Format[] = [
  {
    what: 'a download that did not finish: it begins with zeros where the model would begin',
    hint: 'Download the file again, whole.',
    is: (start) => start.every((byte) => byte === 0),
  },
  {
    what: 'a big-endian GGUF file; Kigo reads little-endian files only',
    hint: 'Get the little-endian file of the same model.',
    is: begins('FUGG'),
  },
  old('GGML', 'lmgg'),
  old('GGMF', 'fmgg'),
  old('GGJT', 'tjgg'),
  packed('a gzip archive', '1f8b', 'Unpack it first: gzip -dc FILE > model.gguf'),
  packed('an xz archive', 'fd377a585a00', 'Unpack it first: xz -dc FILE > model.gguf'),
  packed('a Zstandard archive', '28b52ffd', 'Unpack it first: zstd -dc FILE > model.gguf'),
  packed('a bzip2 archive', '425a68', 'Unpack it first: bzip2 -dc FILE > model.gguf'),
  packed('a 7-Zip archive', '377abcaf271c'),
  packed('a RAR archive', '526172211a07'),
  {
    what: 'weights of PyTorch, not a GGUF model',
    hint: GET_GGUF,
    is: (start) => bytes('504b0304')(start) && start.includes('data.pkl'),
  },
  packed('a ZIP archive', '504b0304'),
  packed('a ZIP archive', '504b0506'),
  {
    what: 'a tar archive, not a GGUF model',
    hint: UNPACK,
    is: (start) => start.toString('latin1', 257, 262) === 'ustar',
  },
  {
    what: 'weights of PyTorch, not a GGUF model',
    hint: GET_GGUF,
    is: (start) => start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5,
  },
  {
    what: 'weights in the safetensors format, not a GGUF model',
    hint: GET_GGUF,
    // The length of a JSON text, then the text.
    is: (start) => start.length > 9 && start.readUInt32LE(4) === 0 && start[8] === 0x7b,
  },
  packed('weights of Keras (HDF5)', '89484446', GET_GGUF),
  {
    what: 'a model of TensorFlow Lite, not a GGUF model',
    hint: GET_GGUF,
    is: (start) => start.toString('latin1', 4, 8) === 'TFL3',
  },
  packed('a program', '7f454c46', CHOOSE_GGUF),
  packed('a program', '4d5a', CHOOSE_GGUF),
  packed('a PDF document', '25504446', CHOOSE_GGUF),
  {
    what: 'a Git LFS pointer: the model itself was not downloaded',
    hint: 'Run `git lfs pull` in the folder that it is in, or download the file by itself.',
    is: (start) => words(start).startsWith('version https://git-lfs'),
  },
  {
    what: 'a web page: the download gave a page in place of the model',
    hint: 'Download the file itself, by its download button. Some models must be asked for on their page first.',
    is: (start) => /^<(!|html|head|body|\?xml)/i.test(words(start)),
  },
]

/** MODEL_NOT_GGUF that says what the file is, as far as its beginning tells. */
export function foreignFile(file: string, start: Buffer): KigoError {
  const format = FORMATS.find(({ is }) => is(start))
  const { what, hint } = format ?? textFile(start) ?? {}
  return new KigoError('MODEL_NOT_GGUF', what === undefined ? undefined : `This is ${what}.`, {
    hint: hint?.replace('FILE', shellName(file)),
    data: { at: 0, path: file },
  })
}

/** What a server says where it gives no file: "Entry not found", {"error": …}. */
function textFile(start: Buffer): { what: string; hint: string } | undefined {
  const text = words(start)
  // The last character may be cut.
  const isText = isUtf8(Buffer.from(text)) && !/[\p{Cc}\uFFFD]/u.test(text.slice(0, -1).replace(/\s/g, ''))
  if (!isText || text === '') return undefined
  const line = text.split(/[\r\n]/, 1)[0] as string
  return {
    what: `text, not a GGUF model. It begins with ${quote(line)}`,
    hint: 'Where a download gave it, it says why there was no model: download the file again.',
  }
}

/** A file's name as it is written in a command. */
export function shellName(file: string): string {
  const name = path.basename(file)
  return process.platform === 'win32' ? `"${name}"` : `'${name.replaceAll("'", `'\\''`)}'`
}
