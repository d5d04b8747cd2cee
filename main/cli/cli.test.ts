/** The command as a person has it: dist/main/cli.js in a process of its own. */
import { spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { HaikuResult } from '../../contract/chat.ts'
import { buildGguf, text } from '../gguf/testing/build-gguf.ts'
import { tinyMetadata } from '../gguf/testing/tiny-model.ts'
import { haikuProblem } from '../haiku/index.ts'
import { resourcePath } from '../resources.ts'
import { MIXES, planSynth, SHAPES, synthesize } from '../synth/index.ts'
import { goldenDir, modelPath } from '../testing/golden.ts'

const CLI = resourcePath('main/cli.js')
const golden = goldenDir()
const model = modelPath('smollm2')
const folder = mkdtempSync(path.join(tmpdir(), 'kigo cli '))
afterAll(() => rmSync(folder, { recursive: true }))

interface Outcome {
  status: number | null
  stdout: string
  stderr: string
}

/** Runs `kigo ARGS`; `drive` may act on the process meanwhile. */
function kigo(
  args: string[],
  {
    stdin = '' as string | Uint8Array,
    drive = (_child: ReturnType<typeof spawn>) => {},
    env = {} as Record<string, string>,
  } = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, [CLI, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  const outcome: Outcome = { status: null, stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (outcome.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (outcome.stderr += text))
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  drive(child)
  return new Promise((resolve) => child.on('close', (status) => resolve({ ...outcome, status })))
}

function file(name: string, content: string | Uint8Array): string {
  const at = path.join(folder, name)
  writeFileSync(at, content)
  return at
}

/** A whole model of a few hundred thousand random weights: quick, and sure to talk nonsense. */
function babbler(): string {
  const shape = {
    ...SHAPES['smollm2-135m']!,
    ...{ layers: 1, embd: 64, ff: 128, heads: 2, headsKv: 1, headDim: 32, vocabulary: 2000, context: 2048 },
  }
  return file('babbler.gguf', Buffer.concat([...synthesize(planSynth(shape, MIXES['F16']!), 1)]))
}

const COMMANDS = [
  'run',
  'chat',
  'inspect',
  'haiku',
  'bench',
  'perplexity',
  'logits',
  'tokenize',
  'detokenize',
  'template',
  'synth',
  'devices',
]

/** A reply that does not end by itself: tokens drawn almost evenly from the whole vocabulary. */
const ENDLESS = [
  ...[
    'run',
    '--model',
    'smollm2',
    '--prompt',
    'Count to one thousand.',
    '--max-tokens',
    '4000',
    '--seed',
    '1',
  ],
  ...['--temp', '10', '--top-k', '0', '--top-p', '1', '--min-p', '0'],
]

describe('kigo', () => {
  it('tells its commands and its version', async () => {
    const help = await kigo(['--help'])
    expect(help.status).toBe(0)
    for (const name of COMMANDS) expect(help.stdout).toContain(`  ${name} `)
    const version = await kigo(['--version'])
    expect(version).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^kigo \d+\.\d+\.\d+\n$/),
      stderr: '',
    })
  })

  it.each(COMMANDS)('%s --help tells its flags', async (name) => {
    const { status, stdout, stderr } = await kigo([name, '--help'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(new RegExp(`^kigo ${name} `))
  })

  it.each([
    [[]],
    [['sing']],
    [['run', '--model', 'smollm2']],
    [['run', '--model', 'smollm2', '--prompt', 'x', '--ids', '1']],
    [['run', '--prompt', 'x']],
    [['run', '--model', 'smollm2', '--prompt', 'x', '--temp', 'hot']],
    [['run', '--model', 'smollm2', '--prompt', 'x', '--temp', '-1']],
    [['run', '--model', 'smollm2', '--prompt', 'x', '--max-tokens', '1.5']],
    [['run', '--model', 'smollm2', '--prompt', 'x', '--raw', '--system', 'y']],
    [['run', '--model', 'smollm2', '--prompt', 'x', '--loud']],
    [['run', '--model', 'smollm2', '--prompt', 'x', 'extra']],
    [['logits', '--model', 'smollm2', '--ids', '1,two', '--out', 'x']],
    [['inspect']],
    [['haiku', '--minute', '60']],
    [['template', '--thinking', 'maybe', '--model', 'smollm2']],
    [['bench', '--model', 'smollm2', '-p', '0', '-n', '0']],
    [['synth', 'smollm2-135m:F16']],
    [['synth', 'smollm2-135m', 'x.gguf']],
    [['synth', 'gpt-5:F16', 'x.gguf']],
    [['synth', 'constructor:F16', 'x.gguf']],
    [['synth', 'smollm2-135m:Q3_K', 'x.gguf']],
  ])('wrong usage %j: status 2, said on stderr with the way to help', async (args) => {
    const { status, stdout, stderr } = await kigo(args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^error INVALID_INPUT: .+\nhint: see `kigo .*--help`\n$/)
  })

  it('tells failures by their code, with a hint, status 1', async () => {
    const cases: [string[], string][] = [
      [['run', '--model', path.join(folder, 'nothing.gguf'), '--prompt', 'x'], 'MODEL_NOT_FOUND'],
      [['run', '--model', file('text.gguf', 'This is no model.'), '--prompt', 'x'], 'MODEL_NOT_GGUF'],
      [['tokenize', '--model', folder], 'MODEL_UNREADABLE'],
    ]
    for (const [args, code] of cases) {
      const { status, stdout, stderr } = await kigo([...args, ...(args[0] === 'run' ? ['--json'] : [])])
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      expect(stderr).toMatch(new RegExp(`^error ${code}: .+\nhint: .+\n$`))
      expect(stderr).toContain(args[2])
    }
  })

  it('devices: lists the CPU', async () => {
    const { status, stdout } = await kigo(['devices', '--json'])
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toContainEqual(
      expect.objectContaining({ id: 'cpu', threads: expect.any(Number) }),
    )
    const told = await kigo(['devices'])
    expect(told.stdout).toContain('cpu')
    expect(told.stdout).toMatch(/\nNo GPU: .+\n$/)
  })
})

/** Runs `kigo ARGS` with stdout, and perhaps stderr, at `device`. */
function kigoInto(device: string, args: string[], { flag = 'w', errors = false } = {}): Promise<Outcome> {
  const output = openSync(device, flag)
  const child = spawn(process.execPath, [CLI, ...args], {
    stdio: ['pipe', output, errors ? output : 'pipe'],
  })
  closeSync(output)
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin?.on('error', () => {}).end('A text.')
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, stdout: '', stderr })))
}

describe.skipIf(!existsSync('/dev/full'))('an output that takes nothing (skipped without /dev/full)', () => {
  const COMMON = [['--help'], ['--version'], ['help', 'run'], ...COMMANDS.map((name) => [name, '--help'])]
  const FULL = /^error INVALID_INPUT: The output cannot be written: no space left on device\.\n$/

  it.each(COMMON)('%s %s: one sentence, status 1', async (...args) => {
    const outcome = await kigoInto('/dev/full', args)
    expect(outcome).toMatchObject({ status: 1, stderr: expect.stringMatching(FULL) })
  })

  it('is said of one that may only be read, too', async () => {
    const { status, stderr } = await kigoInto('/dev/null', ['--help'], { flag: 'r' })
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'error INVALID_INPUT: The output cannot be written: bad file descriptor.\n',
    })
  })

  it('ends a reply that would go on', async () => {
    const args = ['run', '--model', babbler(), '--ids', '1,2,3', '--temp', '10', '--top-k', '0']
    const { status, stderr } = await kigoInto('/dev/full', args)
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(FULL) })
  })

  it('may be stderr as well: the status is all that is left to tell', async () => {
    expect(await kigoInto('/dev/full', ['--help'], { errors: true })).toMatchObject({ status: 1 })
    expect(await kigoInto('/dev/full', ['sing'], { errors: true })).toMatchObject({ status: 2 })
  })

  it('may become full in the middle of a write', async () => {
    const out = path.join(folder, 'limited.txt')
    const shell = spawn(
      'sh',
      ['-c', 'ulimit -f 1; exec "$0" "$@" > "$OUT"', process.execPath, CLI, '--help'],
      {
        stdio: ['ignore', 'inherit', 'pipe'],
        env: { ...process.env, OUT: out },
      },
    )
    let stderr = ''
    shell.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const status = await new Promise((resolve) => shell.on('close', resolve))
    expect(statSync(out).size).toBeLessThanOrEqual(1024)
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'error INVALID_INPUT: The output cannot be written: file too large.\n',
    })
  })

  it('is not put in the place of a device', async () => {
    const { status, stderr } = await kigo(['synth', 'smollm2-135m:Q8_0', '/dev/full'])
    expect({ status, stderr }).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('it is not a file'),
    })
    expect(statSync('/dev/full').isCharacterDevice()).toBe(true)
  })
})

describe('kigo with models of random weights', () => {
  it('haiku: 60 honest attempts that fail are an error, and every one is in the JSON', async () => {
    const { status, stdout, stderr } = await kigo([
      ...['haiku', '--model', babbler(), '--device', 'cpu', '--minute', '7', '--seed', '1', '--json'],
    ])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^error HAIKU_FAILED: .*60.*“seven”.*\nhint: .+\n$/)
    const result = JSON.parse(stdout) as HaikuResult
    expect(result).toMatchObject({ minute: 7, words: 'seven', ok: false, haiku: null, device: 'cpu' })
    expect(result.attempts.map(({ seed }) => seed)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
    for (const { ok, text, problem } of result.attempts) {
      expect(ok).toBe(false)
      expect(text).not.toBe('')
      expect(problem).toEqual(expect.any(String))
    }
    expect(new Set(result.attempts.map(({ text }) => text)).size).toBe(60)
  })

  it('synth: a model that every command takes; whole or not at all', async () => {
    const out = path.join(folder, 'synth.gguf')
    const made = await kigo(['synth', 'smollm2-135m:q4_k_m', out])
    expect(made).toMatchObject({
      status: 0,
      stdout: '',
      stderr: expect.stringMatching(/^272 tensors, 105 MB/),
    })
    const inspected = JSON.parse((await kigo(['inspect', '--json', out])).stdout)
    expect(inspected).toMatchObject({
      architecture: 'llama',
      quantization: 'Q4_K_M',
      fileBytes: statSync(out).size,
    })
    expect(inspected.problem ?? null).toBeNull()
    const run = ['run', '--model', out, '--prompt', 'Hello', '--max-tokens', '3', '--seed', '1', '--json']
    expect(JSON.parse((await kigo(run)).stdout)).toMatchObject({ ids: { length: 3 }, reason: 'length' })

    const nowhere = await kigo(['synth', 'smollm2-135m:Q8_0', path.join(folder, 'no', 'such', 'x.gguf')])
    expect(nowhere).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^error INVALID_INPUT: .*no such/),
    })
    const onFolder = await kigo(['synth', 'smollm2-135m:Q8_0', folder])
    expect(onFolder).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^error INVALID_INPUT: .*folder/),
    })
    expect(
      readdirSync(path.dirname(folder)).filter((name) => name.startsWith(`${path.basename(folder)}.`)),
    ).toEqual([])
  })
})

describe.skipIf(golden === null)('kigo with tiny models (skipped without golden data)', () => {
  const tiny = `${golden}arch/llama.gguf`

  it('logits: float32 of every position, whatever the batch', async () => {
    const ids = Array.from({ length: 48 }, (_, i) => (i * 37 + 11) % 380).join(',')
    const expected = readFileSync(`${golden}arch/llama.logits.f32`)
    for (const batch of ['512', '5']) {
      const out = path.join(folder, `logits-${batch}.f32`)
      const { status, stdout } = await kigo([
        'logits',
        '--model',
        tiny,
        '--ids',
        ids,
        '--exact',
        '--batch',
        batch,
        '--out',
        out,
      ])
      expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
      const bytes = readFileSync(out)
      expect(bytes.length).toBe(expected.length)
      for (let at = 0; at < bytes.length; at += 4000)
        expect(bytes.readFloatLE(at)).toBeCloseTo(expected.readFloatLE(at), 3)
    }
  })

  it('logits: an --out that cannot be written is an error, and nothing is left behind', async () => {
    const { status, stderr } = await kigo([
      'logits',
      '--model',
      tiny,
      '--ids',
      '1,2',
      '--out',
      path.join(folder, 'no', 'such', 'x'),
    ])
    expect(status).toBe(1)
    expect(stderr).toMatch(/^error INVALID_INPUT: /)
  })

  it('refuses ids outside the vocabulary, a device that is not there, a prompt longer than the context', async () => {
    const run = (...args: string[]) => kigo(['run', '--model', tiny, ...args])
    expect((await run('--ids', '1,384')).stderr).toMatch(/^error INVALID_INPUT: .*383/)
    expect((await run('--ids', '1', '--device', 'cuda')).stderr).toMatch(/^error DEVICE_UNAVAILABLE: .*cuda/)
    const long = await run('--ids', Array(16).fill('7').join(','), '--ctx', '16')
    expect(long.status).toBe(1)
    expect(long.stderr).toMatch(/^error PROMPT_TOO_LONG: .*16.*\nhint: .* --ctx\.\n$/)
  })

  it('run: says in words that the context is full', async () => {
    const { status, stderr, stdout } = await kigo([
      'run',
      '--model',
      tiny,
      '--ids',
      '1,2,3',
      '--ctx',
      '32',
      '--temp',
      '0',
    ])
    expect(status).toBe(0)
    expect(stdout.length).toBeGreaterThan(0)
    expect(stderr).toContain('The context is full')
  })

  describe('with GPUs, played by the tests’ backend', () => {
    const withGpus = (fake: string) => ({
      env: { KIGO_GPU_LIBRARY: resourcePath('native/libkigo_fake.so'), KIGO_FAKE: `compute,${fake}` },
    })
    const two = withGpus('devices=2,name=Big GPU.Small GPU,total=9000000.7000000')
    const ids = (count: number) => Array.from({ length: count }, (_, i) => (i * 37 + 11) % 300).join(',')

    it('devices: names, free memory, and why one cannot be used', async () => {
      const { stdout, stderr } = await kigo(['devices', '--json'], two)
      expect(JSON.parse(stdout)).toMatchObject([
        { id: 'fake:0', name: 'Big GPU', totalBytes: 9e6, freeBytes: 9e6, problem: null },
        { id: 'fake:1', name: 'Small GPU', totalBytes: 7e6 },
        { id: 'cpu' },
      ])
      expect(stderr).toBe('')
      expect((await kigo(['devices'], two)).stdout).toContain('Big GPU')
      const old = await kigo(['devices', '--json'], withGpus('old_driver'))
      expect(JSON.parse(old.stdout)).toMatchObject([{ id: 'cpu' }])
      expect(old.stderr).toBe('No GPU: The driver of the fake device is too old: it is 1, 2 is needed.\n')
    })

    it('inspect: where it runs, and what each part takes', async () => {
      const inspect = async (...args: string[]) =>
        JSON.parse((await kigo(['inspect', tiny, '--json', ...args], two)).stdout).memory
      expect(await inspect()).toMatchObject({ device: 'fake:0', parts: [{ layerFirst: 0, layerLast: 2 }] })
      const split = await inspect('--gpu-layers', '1')
      expect(split).toMatchObject({
        device: 'fake:0 + cpu',
        parts: [
          { device: 'fake:0', name: 'Big GPU', layerFirst: 0, layerLast: 1, free: 9e6 },
          { device: 'cpu', layerFirst: 1, layerLast: 2 },
        ],
      })
      expect(split.slowdown).toBeGreaterThan(1)
      expect((await inspect('--device', 'fake:0,1')).device).toBe('fake:0 + fake:1')
      const told = (await kigo(['inspect', tiny, '--gpu-layers', '1'], two)).stdout
      expect(told).toMatch(
        /runs on +1 of 2 layers on Big GPU, the rest on the CPU: expect it about .* estimate/,
      )
    })

    it('run, logits, perplexity and bench: the same numbers as on the CPU, and where they come from', async () => {
      const places = [
        ['cpu', ['--device', 'cpu']],
        ['fake:0', []],
        ['fake:0 + cpu', ['--gpu-layers', '1']],
        ['fake:1 + fake:0', ['--device', 'fake:1,0']],
      ] as const
      const text = file('words.txt', 'the quick brown fox jumps over the lazy dog. '.repeat(40))
      const seen = { run: new Set<string>(), logits: new Set<string>(), perplexity: new Set<number>() }
      for (const [device, args] of places) {
        const out = path.join(folder, 'logits')
        const run = await kigo(
          ['run', '--model', tiny, '--ids', ids(20), '--seed', '3', '--max-tokens', '16', '--json', ...args],
          two,
        )
        const result = JSON.parse(run.stdout)
        expect(result.device).toBe(device)
        expect(result.placements.at(-1).layerLast).toBe(2)
        seen.run.add(JSON.stringify(result.ids))
        expect(
          (await kigo(['logits', '--model', tiny, '--ids', ids(20), '--out', out, ...args], two)).status,
        ).toBe(0)
        seen.logits.add(readFileSync(out).toString('base64'))
        const score = await kigo(
          ['perplexity', '--model', tiny, '--file', text, '--ctx', '32', '--json', ...args],
          two,
        )
        expect(JSON.parse(score.stdout)).toMatchObject({ device })
        seen.perplexity.add(JSON.parse(score.stdout).perplexity)
        const bench = await kigo(
          ['bench', '--model', tiny, '-p', '16', '-n', '4', '-r', '1', '--json', ...args],
          two,
        )
        expect(JSON.parse(bench.stdout)).toMatchObject([
          { device, test: 'pp16' },
          { device, test: 'tg4' },
        ])
      }
      expect(seen.run.size).toBe(1)
      expect(seen.logits.size).toBe(1)
      expect(seen.perplexity.size).toBe(1)
    })

    it('says why a GPU that was asked for cannot be had; auto goes on with the CPU', async () => {
      const none = withGpus('no_driver')
      const asked = await kigo(['run', '--model', tiny, '--ids', '1,2,3', '--device', 'cuda'], none)
      expect(asked.status).toBe(1)
      expect(asked.stderr).toMatch(
        /^error DEVICE_UNAVAILABLE: There is no device "cuda" here. There is no driver for the fake device. Available: cpu.\nhint: /,
      )
      const auto = await kigo(['run', '--model', tiny, '--ids', '1,2,3', '--max-tokens', '2', '--json'], none)
      expect(JSON.parse(auto.stdout)).toMatchObject({ device: 'cpu' })
    })

    it('refuses flags that contradict each other or make no sense', async () => {
      for (const args of [
        ['--device', 'cpu', '--gpu-layers', '3'],
        ['--gpu-layers', '-1'],
        ['--gpu-layers', 'many'],
        ['--device', 'cuda:'],
        ['--device', 'cuda:0,'],
      ])
        expect((await kigo(['run', '--model', tiny, '--ids', '1', ...args], two)).status).toBe(2)
    })
  })

  it('bench: rows of prompt and generation at each depth', async () => {
    const { status, stdout } = await kigo([
      'bench',
      '--model',
      tiny,
      '-p',
      '16,32',
      '-n',
      '8',
      '-d',
      '0,16',
      '-r',
      '3',
      '--json',
    ])
    expect(status).toBe(0)
    const rows = JSON.parse(stdout)
    expect(rows.map(({ test, depth }: { test: string; depth: number }) => `${test}@${depth}`)).toEqual([
      'pp16@0',
      'pp32@0',
      'tg8@0',
      'pp16@16',
      'pp32@16',
      'tg8@16',
    ])
    for (const { mean, sd, samples, device } of rows) {
      expect(device).toBe('cpu')
      expect(samples.length).toBe(3)
      expect(mean).toBeGreaterThan(0)
      expect(sd).toBeGreaterThanOrEqual(0)
    }
  })

  it('perplexity: JSON with its error and counts', async () => {
    const text = file('text.txt', 'The quick brown fox jumps over the lazy dog. '.repeat(10))
    const { status, stdout } = await kigo([
      'perplexity',
      '--model',
      tiny,
      '--file',
      text,
      '--ctx',
      '64',
      '--json',
    ])
    expect(status).toBe(0)
    const { perplexity, stderr, tokens, chunks, seconds } = JSON.parse(stdout)
    expect(perplexity).toBeGreaterThan(1)
    expect(stderr).toBeGreaterThan(0)
    expect(tokens).toBe(chunks * 31)
    expect(seconds).toBeGreaterThan(0)
    const short = await kigo(['perplexity', '--model', tiny, '--file', file('short.txt', 'Hi'), '--json'])
    expect(short).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error INVALID_INPUT: /),
    })
  })

  it('inspect: a bad file is told, the others go on, status 1', async () => {
    const bad = file('bad.gguf', 'GGUX')
    const { status, stdout, stderr } = await kigo(['inspect', '--json', bad, tiny])
    expect(status).toBe(1)
    const [first, second] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(first).toMatchObject({ file: bad, error: { code: 'MODEL_NOT_GGUF', message: expect.any(String) } })
    expect(second).toMatchObject({
      file: tiny,
      architecture: 'llama',
      memory: { weights: expect.any(Number) },
    })
    expect(stderr).toContain('error MODEL_NOT_GGUF')
  })

  it('inspect: a vocabulary alone, whose texts do not steer the terminal', async () => {
    const vocabulary = buildGguf({
      metadata: [
        ...tinyMetadata('llama').filter(([key]) => key !== 'general.name'),
        ['general.name', text('\u001b[31mred')],
        ['some.\u001b[31mkey', text('a\u001b[31m\nb')],
      ],
    })
    const { status, stdout } = await kigo(['inspect', file('vocabulary.gguf', vocabulary)])
    expect(status).toBe(1) // there is nothing to run
    expect(stdout).toContain('0 tensors')
    expect(stdout).toContain('MODEL_INVALID: This file holds a vocabulary only')
    expect(stdout).toMatch(/some\.\\x1b\[31mkey +a\\x1b\[31m\\nb/)
    expect(stdout).not.toContain('\u001b')
    const bad = buildGguf({ metadata: [['some.\u001b[31mkey', { type: 13, bytes: Buffer.alloc(8) }]] })
    const { stderr } = await kigo(['tokenize', '--model', file('bad key.gguf', bad)])
    expect(stderr).toMatch(/^error MODEL_INVALID: .*some\.\\x1b\[31mkey has value type 13/)
  })

  it('template: a file of its own, with messages, time and switches', async () => {
    const source =
      "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{{ strftime_now('%Y-%m-%d') }}{% if enable_thinking %} think{% endif %}{% if add_generation_prompt %} go{% endif %}"
    const args = [
      'template',
      '--template',
      file('t.jinja', source),
      '--messages',
      file('m.json', '[{"role":"user","content":"Hi"}]'),
      '--now',
      '2026-01-02T03:04:05',
      '--bos',
      '<s>',
    ]
    expect((await kigo(args)).stdout).toBe('<s>user: Hi\n2026-01-02 go')
    expect((await kigo([...args, '--thinking', 'on', '--closed'])).stdout).toBe(
      '<s>user: Hi\n2026-01-02 think',
    )
    const raising = await kigo([
      'template',
      '--template',
      file('r.jinja', "{{ raise_exception('no system role') }}"),
    ])
    expect(raising).toMatchObject({ status: 1, stdout: '' })
    expect(raising.stderr).toMatch(/^error TEMPLATE_ERROR: .*no system role/)
  })
})

describe.skipIf(model === null)('kigo with a real model (skipped without smollm2)', () => {
  it('tokenize and detokenize: bytes as they are, there and back', async () => {
    const text = 'Hello  world\n\tñ 俳句 🌸 '
    const tokens = await kigo(['tokenize', '--model', 'smollm2'], { stdin: text })
    expect(tokens.stdout).toMatch(/^\d+( \d+)*\n$/)
    const back = await kigo(['detokenize', '--model', 'smollm2', '--ids', tokens.stdout])
    expect(back.stdout).toBe(text)
    const json = await kigo(['tokenize', '--model', 'smollm2', '--json'], { stdin: text })
    expect(JSON.parse(json.stdout).join(' ')).toBe(tokens.stdout.trim())
  })

  it('tokenize: special tokens only where asked for; NUL-separated texts a list a line', async () => {
    const tokenize = async (text: string | Uint8Array, ...flags: string[]) =>
      kigo(['tokenize', '--model', 'smollm2', ...flags], { stdin: text })
    expect((await tokenize('<|im_start|>', '--special')).stdout).toBe('1\n')
    expect((await tokenize('<|im_start|>')).stdout).not.toBe('1\n')
    const lines = (await tokenize('one\0\0two three', '-0')).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.map((ids) => ids.length)).toEqual([1, 0, 2])
    const bad = await tokenize(new Uint8Array([0x61, 0xc3, 0x28]))
    expect(bad).toMatchObject({ status: 1, stdout: '' })
    expect(bad.stderr).toMatch(/^error INVALID_INPUT: .*byte 2/)
  })

  it.skipIf(golden === null)('template: the prompts that the reference texts were made with', async () => {
    const [first, second] = JSON.parse(readFileSync(`${golden}real/smollm2.greedy.json`, 'utf8')) as {
      prompt: string
    }[]
    const plain = file('plain.json', '[{"role":"user","content":"What is the capital of France?"}]')
    expect((await kigo(['template', '--model', 'smollm2', '--messages', plain])).stdout).toBe(first!.prompt)
    const system = file(
      'system.json',
      '[{"role":"system","content":"You are a terse assistant."},{"role":"user","content":"List three primary colours."}]',
    )
    expect((await kigo(['template', '--model', 'smollm2', '--messages', system])).stdout).toBe(second!.prompt)
  })

  it('run --json: one object on stdout; the same seed gives the same text', async () => {
    const args = [
      'run',
      '--model',
      'smollm2',
      '--prompt',
      'What is the capital of France?',
      '--seed',
      '11',
      '--max-tokens',
      '12',
      '--json',
    ]
    const [first, second] = [await kigo(args), await kigo(args)]
    expect(first.status).toBe(0)
    const result = JSON.parse(first.stdout)
    expect(result).toMatchObject({ reason: 'length', stats: { tokens: 12, cachedTokens: 0, seed: 11 } })
    expect(result.ids.length).toBe(12)
    expect(result.promptIds.length).toBe(result.stats.promptTokens)
    expect(JSON.parse(second.stdout).text).toBe(result.text)
    const streamed = await kigo(args.slice(0, -1))
    expect(streamed.stdout).toBe(`${result.text.replace(/\n$/, '')}\n`)
  })

  it('Ctrl+C ends a reply: status 130 (run.test.ts: and --json says what there was)', async () => {
    const { status, stdout, stderr } = await kigo(ENDLESS, {
      drive: (child) => child.stdout!.once('data', () => child.kill('SIGINT')),
    })
    expect({ status, stderr }).toEqual({ status: 130, stderr: '' })
    expect(stdout.length).toBeGreaterThan(0)
  })

  it('ends quietly when nobody reads any more', async () => {
    const args = ENDLESS
    const { status, stderr } = await kigo(args, {
      drive: (child) => child.stdout!.once('data', () => child.stdout!.destroy()),
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  it('run: the prompt comes from a file, from stdin by name, or from stdin alone, without its last line feed', async () => {
    const flags = ['run', '--model', 'smollm2', '--temp', '0', '--max-tokens', '4', '--json']
    const ids = ({ status, stdout, stderr }: Outcome): number[] => {
      expect(status, stderr).toBe(0)
      return (JSON.parse(stdout) as { promptIds: number[] }).promptIds
    }
    const said = ids(await kigo([...flags, '--prompt', 'Two\nlines, 🙂']))
    const prompt = file('prompt.txt', '\ufeffTwo\nlines, 🙂\r\n')
    expect(ids(await kigo([...flags, '--prompt-file', prompt], { stdin: 'ignored' }))).toEqual(said)
    expect(ids(await kigo([...flags, '--prompt-file', '-'], { stdin: 'Two\nlines, 🙂\n' }))).toEqual(said)
    expect(ids(await kigo(flags, { stdin: 'Two\nlines, 🙂' }))).toEqual(said)
    // A prompt that was given is the prompt, whatever stdin holds.
    expect(ids(await kigo([...flags, '--prompt', 'Two\nlines, 🙂'], { stdin: 'no' }))).toEqual(said)
    expect(await kigo(flags)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('no prompt') as unknown,
    })
    expect(await kigo([...flags, '--prompt-file', file('empty.txt', '\n')])).toMatchObject({ status: 2 })
    expect(await kigo([...flags, '--prompt-file', path.join(folder, 'none.txt')])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('none.txt cannot be read: there is no such file.') as unknown,
    })
    expect(await kigo([...flags, '--prompt-file', file('latin1.txt', Buffer.of(0x61, 0xe9))])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/latin1\.txt is not UTF-8 text: byte 1 /) as unknown,
    })
    expect(await kigo([...flags, '--prompt-file', folder])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('cannot be read: it is a folder.') as unknown,
    })
    expect(await kigo([...flags, '--prompt', 'a', '--prompt-file', prompt])).toMatchObject({ status: 2 })
  })

  it('a template from a file comes before the model’s own, and a bad one is refused by name', async () => {
    const own = file('own.jinja', '{% for m in messages %}<<{{ m.content }}>>{% endfor %}')
    const flags = ['--model', 'smollm2', '--chat-template']
    expect(await kigo(['template', ...flags, own])).toMatchObject({ status: 0, stdout: '<<Hello>>' })
    const parts = file(
      'parts.json',
      '[{"role":"user","content":[{"type":"image"}]},{"role":"assistant","content":null,"tool_calls":[1]},{"role":"tool"}]',
    )
    const kinds = file(
      'kinds.jinja',
      '{% for m in messages %}{{ m.content is string }}{{ m.content is none }}{{ m.content is defined }} {% endfor %}',
    )
    expect(await kigo(['template', '--template', kinds, '--messages', parts])).toMatchObject({
      status: 0,
      stdout: 'FalseFalseTrue FalseTrueTrue FalseFalseFalse ',
    })
    expect(await kigo(['template', ...flags, own, '--messages', parts])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('content that is text') as unknown,
    })
    const { stdout } = await kigo(['run', ...flags, own, '--prompt', 'hi', '--max-tokens', '1', '--json'])
    const { promptIds } = JSON.parse(stdout) as { promptIds: number[] }
    const plain = await kigo(['tokenize', '--model', 'smollm2'], { stdin: '<<hi>>' })
    expect(promptIds.join(' ')).toBe(plain.stdout.trim())
    const bad = file('bad.jinja', '{% if %}')
    for (const command of ['run', 'chat', 'template'])
      expect(
        await kigo([command, ...flags, bad, ...(command === 'run' ? ['--prompt', 'hi'] : [])]),
      ).toMatchObject({
        status: 1,
        stderr: expect.stringMatching(
          /error TEMPLATE_ERROR: The chat template in .*bad\.jinja does not/,
        ) as unknown,
      })
    expect(await kigo(['run', ...flags, own, '--raw', '--prompt', 'hi'])).toMatchObject({ status: 2 })
  })

  it('chat: a block between triple quotes is one message', async () => {
    const { status, stdout, stderr } = await kigo(
      ['chat', '--model', 'smollm2', '--temp', '0', '--max-tokens', '4', '--ctx', '64'],
      { stdin: '"""one\n\ntwo"""\nthree\n' },
    )
    expect(status, stderr).toBe(0)
    expect(stdout.split('\n').filter((line) => line !== '')).toHaveLength(2)
  })

  it('chat: a reply a line, and an end with the input', async () => {
    const { status, stdout, stderr } = await kigo(
      ['chat', '--model', 'smollm2', '--temp', '0', '--max-tokens', '16', '--system', 'You are terse.'],
      {
        stdin: 'What is the capital of France?\nAnd of Italy?\n',
      },
    )
    expect(status).toBe(0)
    expect(stdout.trim().split('\n').length).toBeGreaterThanOrEqual(2)
    expect(stderr).not.toContain('error')
  })

  it('chat: /new starts over, and a command that does not exist is not said to the model', async () => {
    const { status, stdout, stderr } = await kigo(
      ['chat', '--model', 'smollm2', '--temp', '0', '--max-tokens', '4'],
      { stdin: '/quit\n/new\n' },
    )
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    expect(stderr).toContain('There is no /quit here: /new starts over, Ctrl+D leaves.')
    expect(stderr).toContain('A new conversation.')
  })

  it('chat: a message longer than the context is told, and the conversation goes on', async () => {
    const { status, stdout, stderr } = await kigo(
      ['chat', '--model', 'smollm2', '--ctx', '64', '--temp', '0', '--max-tokens', '4', '--system', 'Hi'],
      {
        stdin: `${'word '.repeat(100)}\nHello\n`,
      },
    )
    expect(status).toBe(0)
    expect(stderr).toContain('error PROMPT_TOO_LONG')
    expect(stdout.trim()).not.toBe('')
  })

  it('haiku: the minute exactly once in three lines, with every attempt in the JSON', async () => {
    const { status, stdout } = await kigo(['haiku', '--minute', '42', '--seed', '1', '--json'])
    expect(status).toBe(0)
    const result = JSON.parse(stdout) as HaikuResult
    expect(result).toMatchObject({ minute: 42, words: 'forty-two', ok: true, device: 'cpu' })
    expect(haikuProblem(result.haiku!, 42)).toBeNull()
    expect(result.attempts.at(-1)).toMatchObject({ ok: true })
  })
})
