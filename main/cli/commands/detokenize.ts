import { readGguf } from '../../gguf/index.ts'
import { tokenizerFromGguf } from '../../tokenizer/index.ts'
import { parse, required, tokenIds } from '../args.ts'
import type { Command } from '../command.ts'
import { write, writeJson, writeUntrusted } from '../io.ts'
import { modelPath } from '../../models/known.ts'

export const detokenize: Command = {
  name: 'detokenize',
  summary: 'token ids to text',
  usage: `kigo detokenize --model MODEL --ids 1,2,3 [--json]

Prints the bytes that the tokens mean, control tokens by their names, and nothing else: no line feed is added
unless stdout is a terminal.

  --model MODEL  path of a .gguf file, or a known name (smollm2, gemma3)
  --ids IDS      separated by commas or spaces
  --json         prints a JSON string`,

  async run(args, io) {
    const { values } = parse(args, {
      model: { type: 'string', short: 'm' },
      ids: { type: 'string' },
      json: { type: 'boolean' },
    })
    const ids = tokenIds(required(values.ids, '--ids'))
    const { metadata } = await readGguf(modelPath(required(values.model, '--model')), { signal: io.signal })
    const tokenizer = tokenizerFromGguf(metadata)
    if (values.json) {
      await writeJson(io, tokenizer.decode(ids, { special: true }))
    } else {
      // Bytes as they are for a program; whole characters for a terminal.
      if (io.stdout.isTTY) await writeUntrusted(io, `${tokenizer.decode(ids, { special: true })}\n`)
      else await write(io.stdout, tokenizer.decodeBytes(ids, { special: true }))
    }
    return 0
  },
}
