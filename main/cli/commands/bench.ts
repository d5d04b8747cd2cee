import type { Placement } from '../../../contract/model.ts'
import { Model } from '../../engine/index.ts'
import { COUNT, DEVICE_OPTIONS, modelOptions, number, numbers, parse, required, UsageError } from '../args.ts'
import { Bencher } from '../bencher.ts'
import type { Command } from '../command.ts'
import { table } from '../format.ts'
import { StatusLine, writeJson, writeLine } from '../io.ts'
import { modelPath } from '../../models/known.ts'

interface Row {
  model: string
  device: string
  placements: Placement[]
  /** "pp512": a prompt of 512 tokens; "tg128": 128 tokens generated. */
  test: string
  /** Tokens in the cache before. */
  depth: number
  /** Tokens per second: mean, standard deviation, each repetition. */
  mean: number
  sd: number
  samples: number[]
}

export const bench: Command = {
  name: 'bench',
  summary: 'tokens per second, prompt and generation',
  usage: `kigo bench --model MODEL [-p 512] [-n 128] [-d 0] [-r 5] [--device D] [--threads N] [--json]

Rows as llama-bench has them: prompt processing (pp) and text generation (tg), each after a warm-up. Generation is
timed as it is received: every step with its sampler, its way to this program and its text.

  --model MODEL       path of a .gguf file, or a known name (smollm2, gemma3)
  -p, --prompt N      prompt tokens; a list such as 512,2048; 0: none
  -n, --gen N         generated tokens; a list; 0: none
  -d, --depth N       tokens in the cache before; a list
  -r, --repeat N      repetitions
  -b, --batch N       prompt tokens computed at once; else 512, or 2,048 on GPUs with room for it
  --exact             reference mode: float32 throughout; slow
  --device D          auto, cpu, cuda, cuda:1, cuda:0,1 …; see \`kigo devices\`
  --gpu-layers N      that many on the GPU, the rest on the CPU; else as many as fit
  --threads N         instead of one per physical core
  --json              [{model, device, placements, test, depth, mean, sd, samples}]`,

  async run(args, io) {
    const { values } = parse(args, {
      model: { type: 'string', short: 'm' },
      prompt: { type: 'string', short: 'p' },
      gen: { type: 'string', short: 'n' },
      depth: { type: 'string', short: 'd' },
      repeat: { type: 'string', short: 'r' },
      batch: { type: 'string', short: 'b' },
      ...DEVICE_OPTIONS,
      exact: { type: 'boolean' },
      threads: { type: 'string' },
      json: { type: 'boolean' },
    })
    const orNone = { ...COUNT, min: 0 }
    const depths = numbers(values.depth ?? '0', '-d', orNone)
    const tests = [
      ...numbers(values.prompt ?? '512', '-p', orNone).map((tokens) => ({ kind: 'pp' as const, tokens })),
      ...numbers(values.gen ?? '128', '-n', orNone).map((tokens) => ({ kind: 'tg' as const, tokens })),
    ].filter(({ tokens }) => tokens > 0)
    if (tests.length === 0) throw new UsageError('-p and -n are both 0: nothing to measure')
    const repeat = number(values.repeat ?? '5', '-r', COUNT)
    const batch = values.batch === undefined ? {} : { batch: number(values.batch, '--batch', COUNT) }
    const path = modelPath(required(values.model, '--model'))

    // Room for the deepest cache, the longest test and the one token that ends a prompt.
    const contextLength = Math.max(
      16,
      Math.max(...depths) + Math.max(...tests.map(({ tokens }) => tokens)) + 2,
    )
    await using model = await Model.open(path, { ...modelOptions(values), contextLength, signal: io.signal })
    await using session = await model.createSession(batch)
    const bencher = new Bencher(session, model.nVocab, io.signal)
    const status = new StatusLine(io)
    const rows: Row[] = []
    try {
      for (const depth of depths) {
        status.show(`filling the cache with ${depth} tokens`)
        await bencher.fill(depth)
        for (const { kind, tokens } of tests) {
          const test = `${kind}${tokens}`
          const samples: number[] = []
          for (let i = -1; i < repeat; i++) {
            status.show(`${test} @ ${depth}: ${i < 0 ? 'warming up' : `${i + 1} of ${repeat}`}`)
            const rate =
              kind === 'pp' ? await bencher.prompt(tokens, depth) : await bencher.generation(tokens, depth)
            if (i >= 0) samples.push(rate)
          }
          const { name, device, placements } = model
          rows.push({ model: name, device, placements, test, depth, ...meanAndSd(samples), samples })
        }
      }
    } finally {
      status.clear()
    }
    if (values.json) await writeJson(io, rows)
    else await writeLine(io.stdout, toTable(rows))
    return 0
  },
}

function meanAndSd(samples: number[]): { mean: number; sd: number } {
  const mean = samples.reduce((sum, x) => sum + x, 0) / samples.length
  const squares = samples.reduce((sum, x) => sum + (x - mean) ** 2, 0)
  return { mean, sd: samples.length > 1 ? Math.sqrt(squares / (samples.length - 1)) : 0 }
}

function toTable(rows: Row[]): string {
  const cells = rows.map((row) => [
    row.model,
    row.device,
    row.depth === 0 ? row.test : `${row.test} @ d${row.depth}`,
    `${row.mean.toFixed(2)} ± ${row.sd.toFixed(2)}`,
  ])
  return table([['model', 'device', 'test', 't/s'], ...cells], [3])
}
