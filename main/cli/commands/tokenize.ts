import { readGguf } from '../../gguf/index.ts'
import { tokenizerFromGguf } from '../../tokenizer/index.ts'
import { parse, required } from '../args.ts'
import type { Command } from '../command.ts'
import { readBytes, writeLine } from '../io.ts'
import { modelPath } from '../../models/known.ts'
import { decodeUtf8 } from '../text.ts'

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

    const text = decodeUtf8(await readBytes(io.stdin, io.signal))
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
