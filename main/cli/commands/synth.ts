import { setImmediate as turn } from 'node:timers/promises'
import { KigoError } from '../../../contract/errors.ts'
import { MIXES, planSynth, SHAPES, synthesize } from '../../synth/index.ts'
import { optionalNumber, parse, UsageError } from '../args.ts'
import type { Command } from '../command.ts'
import { grouped } from '../../numbers.ts'
import { StatusLine, writeLine } from '../io.ts'
import { PartFile } from '../part-file.ts'

const shapes = Object.keys(SHAPES)
const types = Object.keys(MIXES)

export const synth: Command = {
  name: 'synth',
  summary: 'a model of random weights, for benchmarks without a download',
  usage: `kigo synth SHAPE:TYPE OUT.gguf [--seed N] [--untied]

Writes a GGUF model with the sizes, the tensors and the types of a real one. Its weights are random and its tokens
are made up: it takes the time and the memory of the real model, and talks nonsense.

  SHAPE      ${shapes.join(', ')}
  TYPE       ${types.join(', ')} (mixed as llama.cpp mixes it)
  OUT.gguf   written whole or not at all
  --seed N   the same seed gives the same file (1)
  --untied   a matrix of its own for the output, where the shape shares the embedding's`,

  async run(args, io) {
    const { values, positionals } = parse(
      args,
      { seed: { type: 'string' }, untied: { type: 'boolean' } },
      'some',
    )
    const [what, out, ...rest] = positionals
    if (what === undefined || out === undefined || rest.length > 0)
      throw new UsageError('Give SHAPE:TYPE and the file to write')
    const [shapeName, typeName, ...more] = what.split(':')
    const shape = named(SHAPES, shapeName?.toLowerCase())
    const mix = named(MIXES, typeName?.toUpperCase())
    if (!shape || !mix || more.length > 0)
      throw new UsageError(
        `'${what}' is no SHAPE:TYPE: the shapes are ${shapes.join(', ')}, the types ${types.join(', ')}`,
      )
    const seed = optionalNumber(values.seed, '--seed', { min: 0, max: 0xffff_ffff, integer: true }) ?? 1

    const plan = planSynth(values.untied ? { ...shape, tied: false } : shape, mix)
    const file = new PartFile(out, 'OUT.gguf', plan.bytes)
    const status = new StatusLine(io)
    try {
      let written = 0
      for (const chunk of synthesize(plan, seed)) {
        if (io.signal.aborted) throw new KigoError('CANCELLED')
        file.append(chunk)
        written += chunk.length
        status.show(`${megabytes(written)} of ${megabytes(plan.bytes)} MB`)
        await turn() // a moment for Ctrl+C
      }
      file.finish()
    } finally {
      status.clear()
      file.discard()
    }
    await writeLine(
      io.stderr,
      `${grouped(plan.tensors.length)} tensors, ${megabytes(plan.bytes)} MB in ${out}: random weights, made-up tokens`,
    )
    return 0
  },
}

const megabytes = (bytes: number): string => grouped(bytes / 1e6)

function named<T>(table: Readonly<Record<string, T>>, name = ''): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}
