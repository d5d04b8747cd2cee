import { KigoError } from '../../../contract/errors.ts'
import { readGguf } from '../../gguf/index.ts'
import { tokenizerFromGguf } from '../../tokenizer/index.ts'
import { parse, required } from '../args.ts'
import type { Command } from '../command.ts'
import { readBytes, writeLine } from '../io.ts'
import { modelPath } from '../../models/known.ts'

export const tokenize: Command = {
  name: 'tokenize',
  summary: 'text on stdin to token ids',
  usage: `kigo tokenize --model MODEL [--special] [--full] [--pre NAME] [-0] [--json] < TEXT

Reads stdin to its end, as it is (a line feed at the end is part of the text; bytes that are no UTF-8 are an
error), and prints the ids of its tokens, separated by spaces.

  --model MODEL  path of a .gguf file, or a known name (smollm2, gemma3)
  --special      text of control tokens, such as <|im_start|>, becomes those tokens
  --full         as --special, and BOS / EOS are added where the vocabulary asks for them
  --pre NAME     pre-tokenizer, instead of the file's tokenizer.ggml.pre
  -0             stdin holds texts separated by NUL; prints one JSON list a line
  --json         prints a JSON list`,

  async run(args, io) {
    const { values } = parse(args, {
      model: { type: 'string', short: 'm' },
      special: { type: 'boolean' },
      full: { type: 'boolean' },
      pre: { type: 'string' },
      nul: { type: 'boolean', short: '0' },
      json: { type: 'boolean' },
    })
    const { metadata } = await readGguf(modelPath(required(values.model, '--model')), { signal: io.signal })
    const tokenizer = tokenizerFromGguf(metadata, values.pre === undefined ? {} : { pre: values.pre })
    const options = { special: Boolean(values.special || values.full), addBosEos: Boolean(values.full) }

    const text = decodeUtf8(await readBytes(io.stdin))
    if (values.nul) {
      for (const part of text.split('\0'))
        await writeLine(io.stdout, JSON.stringify(tokenizer.encode(part, options)))
    } else {
      const ids = tokenizer.encode(text, options)
      await writeLine(io.stdout, values.json ? JSON.stringify(ids) : ids.join(' '))
    }
    return 0
  },
}

/** Strict: a byte order mark stays, and what is no UTF-8 is INVALID_INPUT with the place of its first byte. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    const at = firstInvalid(bytes)
    throw new KigoError('INVALID_INPUT', `The text is not UTF-8: byte ${at} does not belong there.`, {
      hint: 'Convert it first, for example with iconv.',
      data: { at },
    })
  }
}

/** What decodes without error is as long as the bytes it came from, up to the first that is wrong. */
function firstInvalid(bytes: Uint8Array): number {
  let good = 0
  let bad = bytes.length
  while (bad - good > 1) {
    const middle = (good + bad) >> 1
    if (isPrefixValid(bytes.subarray(0, middle))) good = middle
    else bad = middle
  }
  return good
}

function isPrefixValid(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}
