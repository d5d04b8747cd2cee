import { SMALLEST_CONTEXT } from '../../../contract/sampling.ts'
import { Model } from '../../engine/index.ts'
import { COUNT, DEVICE_OPTIONS, modelOptions, number, parse, required, tokenIds } from '../args.ts'
import type { Command } from '../command.ts'
import { StatusLine, writeLine } from '../io.ts'
import { modelPath } from '../../models/known.ts'
import { grouped } from '../../numbers.ts'
import { PartFile } from '../part-file.ts'

export const logits: Command = {
  name: 'logits',
  summary: 'logits of every position, as float32',
  usage: `kigo logits --model MODEL --ids 1,2,3 [--device D] [--exact] [--threads N] [--batch N] --out FILE

Computes the ids from an empty cache and writes the logits of every position: float32, little-endian,
positions x vocabulary.

  --model MODEL   path of a .gguf file, or a known name (smollm2, gemma3)
  --ids IDS       separated by commas or spaces
  --out FILE      written whole or not at all
  -b, --batch N   tokens computed at once; else 512, or 2,048 on GPUs with room for it
  --exact         reference mode: float32 throughout; slow
  --device D      auto, cpu, cuda, cuda:1, cuda:0,1 …; see \`kigo devices\`
  --gpu-layers N  that many on the GPU, the rest on the CPU; else as many as fit
  --threads N     instead of one per physical core`,

  async run(args, io) {
    const { values } = parse(args, {
      model: { type: 'string', short: 'm' },
      ids: { type: 'string' },
      out: { type: 'string', short: 'o' },
      batch: { type: 'string', short: 'b' },
      ...DEVICE_OPTIONS,
      exact: { type: 'boolean' },
      threads: { type: 'string' },
    })
    const ids = tokenIds(required(values.ids, '--ids'))
    const out = required(values.out, '--out')
    const path = modelPath(required(values.model, '--model'))
    const batch = values.batch === undefined ? {} : { batch: number(values.batch, '--batch', COUNT) }

    const options = {
      ...modelOptions(values),
      contextLength: Math.max(SMALLEST_CONTEXT, ids.length),
      signal: io.signal,
    }
    await using model = await Model.open(path, options)
    await using session = await model.createSession(batch)
    const status = new StatusLine(io)
    const file = new PartFile(out, '--out')
    try {
      await session.logits(ids, {
        signal: io.signal,
        onRows: (from, rows) => {
          file.append(new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength))
          status.show(`${grouped(from)} of ${grouped(ids.length)} positions`)
        },
      })
      file.finish()
    } finally {
      status.clear()
      file.discard()
    }
    await writeLine(io.stderr, `${grouped(ids.length)} positions x ${grouped(model.nVocab)} logits in ${out}`)
    return 0
  },
}
