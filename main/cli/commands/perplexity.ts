import { SMALLEST_CONTEXT } from '../../../contract/sampling.ts'
import { Model } from '../../engine/index.ts'
import { Perplexity } from '../../engine/perplexity.ts'
import { COUNT, DEVICE_OPTIONS, modelOptions, number, parse, required } from '../args.ts'
import type { Command } from '../command.ts'
import { StatusLine, writeJson, writeLine } from '../io.ts'
import { modelPath } from '../../models/known.ts'
import { readWholeTextFile } from '../text.ts'

export const perplexity: Command = {
  name: 'perplexity',
  summary: 'how well a model predicts a text',
  usage: `kigo perplexity --model MODEL --file TEXT [--ctx 512] [--exact] [--device D] [--threads N] [--json]

Counts as llama-perplexity does: the text in chunks of --ctx tokens, BOS in the first place of each chunk where
the vocabulary adds it, the second half of each chunk scored; what is left at the end is not used.

  --model MODEL   path of a .gguf file, or a known name (smollm2, gemma3)
  --file TEXT     a UTF-8 text
  --ctx N         tokens of a chunk (512)
  --exact         reference mode: float32 throughout; slow
  --device D      auto, cpu, cuda, cuda:1, cuda:0,1 …; see \`kigo devices\`
  --gpu-layers N  that many on the GPU, the rest on the CPU; else as many as fit
  --threads N     instead of one per physical core
  --json          {perplexity, stderr, tokens, chunks, seconds, device, placements}`,

  async run(args, io) {
    const { values } = parse(args, {
      model: { type: 'string', short: 'm' },
      file: { type: 'string', short: 'f' },
      ctx: { type: 'string' },
      exact: { type: 'boolean' },
      ...DEVICE_OPTIONS,
      threads: { type: 'string' },
      json: { type: 'boolean' },
    })
    const nCtx =
      values.ctx === undefined ? 512 : number(values.ctx, '--ctx', { ...COUNT, min: SMALLEST_CONTEXT })
    const text = await readWholeTextFile(required(values.file, '--file'), 'Check the path of --file.')
    const path = modelPath(required(values.model, '--model'))

    await using model = await Model.open(path, {
      ...modelOptions(values),
      contextLength: nCtx,
      signal: io.signal,
    })
    await using session = await model.createSession({ contextLength: nCtx })
    const begin = performance.now()
    const counted = await Perplexity.of(model.tokenizer, text, nCtx)
    const status = new StatusLine(io)
    try {
      while (counted.chunks < counted.totalChunks) {
        await counted.scoreNext(session, io.signal)
        status.show(
          `chunk ${counted.chunks} of ${counted.totalChunks}: perplexity ${counted.result().perplexity.toFixed(4)}`,
        )
      }
    } finally {
      status.clear()
    }
    const seconds = (performance.now() - begin) / 1000
    const result = { ...counted.result(), seconds, device: model.device, placements: model.placements }
    if (values.json) await writeJson(io, result)
    else
      await writeLine(
        io.stdout,
        `perplexity ${result.perplexity.toFixed(4)} ± ${result.stderr.toFixed(4)} over ${result.tokens} tokens in ${result.chunks} chunks of ${nCtx}, ${seconds.toFixed(1)} s`,
      )
    return 0
  },
}
