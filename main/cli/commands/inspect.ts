import type { ErrorData } from '../../../contract/errors.ts'
import { KigoError } from '../../../contract/errors.ts'
import { fits, whereItRuns, type Inspection, type MemoryOutlook } from '../../../contract/model.ts'
import { formatBytes, grouped } from '../../numbers.ts'
import { templateVerdict } from '../../chat/prompt.ts'
import { loadEngine } from '../../engine/index.ts'
import { inspectModel, NOT_THE_FILES } from '../../models/inspect.ts'
import { tokenizerFromGguf } from '../../tokenizer/index.ts'
import { DEVICE_OPTIONS, modelOptions, parse, UsageError } from '../args.ts'
import type { Command } from '../command.ts'
import { table, visible } from '../format.ts'
import { writeJson, writeLine, type Io } from '../io.ts'
import { modelPath } from '../../models/known.ts'
import { openIsolation } from '../prompts.ts'

export const inspect: Command = {
  name: 'inspect',
  summary: 'what a file is, and what it needs',
  usage: `kigo inspect MODEL... [--ctx N] [--device D] [--json]

Reads and checks the header; the weights are not read. One file is told in full, several with a line each. A file
that is bad or that nothing here can run is told too, the others go on, and the exit status is 1.

  MODEL...        paths of .gguf files, or known names (smollm2, gemma3)
  --ctx N         context length that the memory plan is for; else the one that Kigo would choose
  --device D      auto, cpu, cuda, cuda:1, cuda:0,1 …; see \`kigo devices\`
  --gpu-layers N  that many on the GPU, the rest on the CPU; else as many as fit
  --json          an object a file, each on its line: {file, architecture, name, …} or {file, error}`,

  async run(args, io) {
    const { values, positionals } = parse(
      args,
      { ctx: { type: 'string' }, ...DEVICE_OPTIONS, json: { type: 'boolean' } },
      'some',
    )
    if (positionals.length === 0) throw new UsageError('Name at least one model')
    const { device, gpuLayers, exact, contextLength } = modelOptions(values)
    const addon = await loadEngine()
    await using isolation = openIsolation(io)

    const inspectOne = (file: string): Promise<Inspection> =>
      inspectModel(modelPath(file), {
        addon,
        device,
        gpuLayers,
        exact,
        contextLength,
        signal: io.signal,
        templateVerdict: ({ metadata }) => templateVerdict(metadata, isolation.run, io.signal),
        checkTokenizer: (metadata) => void tokenizerFromGguf(metadata),
      })
    let status = 0
    for (const file of positionals) {
      try {
        const inspection = await inspectOne(file)
        if (values.json) await writeJson(io, inspection)
        else await writeLine(io.stdout, positionals.length > 1 ? oneLine(inspection) : report(inspection))
        if (inspection.problem) {
          status = 1
          await tellProblem(file, inspection.problem, io)
        }
      } catch (thrown) {
        const error = KigoError.from(thrown)
        // These are about this computer or the question, not about one file.
        if (NOT_THE_FILES.has(error.code) || error.code === 'CANCELLED') throw error
        status = 1
        await tellBad(file, error, values.json ?? false, io)
      }
    }
    return status
  },
}

async function tellBad(file: string, error: KigoError, json: boolean, io: Io): Promise<void> {
  const { code, message, data } = error
  const at = data?.['at']
  if (json) await writeJson(io, { file, error: { code, message, ...(at === undefined ? {} : { at }) } })
  await tellProblem(file, error, io)
}

async function tellProblem(file: string, { code, message, hint }: ErrorData, io: Io): Promise<void> {
  await writeLine(io.stderr, `error ${code}: ${visible(message)} (${file})`)
  if (hint) await writeLine(io.stderr, `hint: ${visible(hint)}`)
}

function oneLine({
  file,
  name,
  architecture,
  quantization,
  parameters,
  contextLength,
  fileBytes,
  memory,
  problem,
}: Inspection): string {
  const facts = [
    name,
    architecture,
    quantization,
    `${count(parameters)} parameters`,
    `${grouped(contextLength)} context`,
    formatBytes(fileBytes),
  ]
  return `${file}: ${facts.join(', ')}, ${problem ? `cannot run: ${visible(problem.message)}` : needs(memory)}`
}

function needs(memory: Inspection['memory']): string {
  if (!memory) return 'no memory plan'
  const { total, ctx } = memory
  return `needs ${formatBytes(total)} with ${grouped(ctx)} context, ${whereItRuns(memory).replace(/^A/, 'a')}: ${fits(memory) ? 'fits' : 'does not fit'}`
}

/** "134.5 M" */
function count(parameters: number): string {
  const [size, unit] = parameters >= 1e9 ? [parameters / 1e9, 'B'] : [parameters / 1e6, 'M']
  return `${size.toFixed(1)} ${unit}`
}

function report(inspection: Inspection): string {
  const { vocabulary, chatTemplate, memory, problem, tensors } = inspection
  const rows: string[][] = [
    ['file', inspection.file],
    ['name', inspection.name],
    ['architecture', `${inspection.architecture}, ${inspection.layers} layers`],
    ['quantisation', inspection.quantization],
    ['parameters', count(inspection.parameters)],
    ['context', `${grouped(inspection.contextLength)} tokens`],
    ['size', formatBytes(inspection.fileBytes)],
    [
      'vocabulary',
      `${vocabulary.model}${vocabulary.pre ? ` (${vocabulary.pre})` : ''}, ${grouped(vocabulary.size)} tokens`,
    ],
    ['template', templateLine(chatTemplate)],
  ]
  if (problem) rows.push(['cannot run', problemLine(problem)])
  rows.push(...inspection.notes.map((note) => ['note', visible(note)]))
  if (memory) rows.push(...memoryRows(memory))
  const types = Object.entries(tensors.byType).map(([type, { count, bytes }]) => [
    `  ${type}`,
    grouped(count),
    formatBytes(bytes),
  ])
  const scalars = Object.entries(inspection.metadata).map(([key, value]) => [
    `  ${shorten(key)}`,
    shorten(String(value)),
  ])
  return [
    table(rows),
    `${grouped(tensors.count)} tensors`,
    ...(types.length > 0 ? [table(types, [1, 2])] : []),
    'metadata',
    table(scalars),
  ].join('\n')
}

function templateLine({ mode, thinking, system, problem }: Inspection['chatTemplate']): string {
  const what = { template: 'the file’s own', chatml: 'ChatML', completion: 'none' }[mode]
  const facts =
    mode === 'completion' ? '' : `${system ? ', takes a system prompt' : ''}${thinking ? ', can think' : ''}`
  return `${what}${facts}${problem ? `. ${problem}` : ''}`
}

function problemLine({ code, message }: ErrorData): string {
  return `${code}: ${visible(message)}`
}

function memoryRows(memory: MemoryOutlook): string[][] {
  const { ctx, total, largestContext, parts } = memory
  const byPart = parts.map((part) => {
    const { weights, kv, workspace, free } = part
    const room = part.total <= free ? '' : ', so it does not fit'
    const sizes = `weights ${formatBytes(weights)}, KV ${formatBytes(kv)}, workspace ${formatBytes(workspace)}`
    return ['', `${part.device}: ${sizes}; ${formatBytes(free)} free${room}`]
  })
  return [
    ['runs on', whereItRuns(memory)],
    [
      'memory',
      `${formatBytes(total)} with ${grouped(ctx)} context; largest context ${grouped(largestContext)}`,
    ],
    ...byPart,
  ]
}

function shorten(text: string): string {
  const line = visible(text.slice(0, 81)).replaceAll('\n', '\\n')
  return line.length > 80 ? `${line.slice(0, 79)}…` : line
}
