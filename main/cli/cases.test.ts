/** Files that people have, read where they lie (../shared/cases): what the command makes of each. */
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { resourcePath } from '../resources.ts'
import { casesDir } from '../testing/golden.ts'

const CLI = resourcePath('main/cli.js')
const cases = casesDir() ?? ''
const folder = mkdtempSync(path.join(tmpdir(), 'kigo cases '))
afterAll(() => rmSync(folder, { recursive: true }))

interface Outcome {
  status: number | null
  stdout: string
  stderr: string
}

function kigo(...args: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const outcome: Outcome = { status: null, stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (outcome.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (outcome.stderr += text))
  return new Promise((resolve) => child.on('close', (status) => resolve({ ...outcome, status })))
}

const run = (file: string) =>
  kigo(
    'run',
    '--model',
    file,
    '--raw',
    '--prompt',
    'a',
    '--temp',
    '0',
    '--max-tokens',
    '4',
    '--device',
    'cpu',
  )
const inspectJson = async (file: string) =>
  JSON.parse((await kigo('inspect', '--json', file)).stdout) as unknown

describe.skipIf(cases === '' || !existsSync(CLI))('cases (skipped where they or dist are absent)', () => {
  it.each<[string, object, string]>([
    [
      'pad_oob.gguf',
      { notes: [expect.stringContaining('padding_token_id is 32000')] },
      'note: padding_token_id is 32000',
    ],
    ['name_latin1.gguf', { notes: [], metadata: { 'general.author': 'François' } }, ''],
    ['norm_f16.gguf', { notes: [], tensors: { byType: { F16: { count: 3 } } } }, ''],
    [
      'padded.gguf',
      { notes: ['The embedding has 6 rows beyond the vocabulary of 258: left out.'] },
      'note: The embedding has 6 rows',
    ],
    ['split/M-00001-OF-00002.GGUF', { notes: [], name: 'Tiny', tensors: { count: 20 } }, ''],
    ['split/M-00002-OF-00002.GGUF', { notes: [], name: 'Tiny', tensors: { count: 20 } }, ''],
  ])('%s loads, and says what it may have to say', async (name, inspection, said) => {
    const { status, stdout, stderr } = await run(cases + name)
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining(said) })
    expect(said === '' ? stderr : '').toBe('')
    expect(stdout.length).toBeGreaterThan(1)
    expect(await inspectJson(cases + name)).toMatchObject({ problem: null, ...inspection })
  })

  it('padded.gguf has logits for its tokens alone', async () => {
    const out = path.join(folder, 'logits.f32')
    const args = ['--ids', '1,2,257', '--device', 'cpu', '--out', out]
    expect((await kigo('logits', '--model', `${cases}padded.gguf`, ...args)).status).toBe(0)
    expect(readFileSync(out)).toHaveLength(3 * 258 * 4)
    const beyond = await kigo(
      'logits',
      '--model',
      `${cases}padded.gguf`,
      ...['--ids', '258'],
      ...args.slice(2),
    )
    expect(beyond).toMatchObject({ status: 1, stderr: expect.stringContaining('INVALID_INPUT') })
  })

  it.each<[string, string, RegExp]>([
    [
      'imatrix.gguf',
      'UNSUPPORTED_ARCHITECTURE',
      /importance matrix.*\nhint: Choose the file of the model itself/,
    ],
    [
      'mmproj.gguf',
      'UNSUPPORTED_ARCHITECTURE',
      /vision part of a model.*\nhint: Choose the file of the model/,
    ],
    ['zeros.gguf', 'MODEL_NOT_GGUF', /download that did not finish.*\nhint: Download the file again/],
    [
      'split/catted.gguf',
      'MODEL_INVALID',
      /joined end to end.*\nhint: Open .*-00001-of-00002\.gguf.*--merge/,
    ],
    ['split/m.gguf-split-a', 'MODEL_TRUNCATED', /one piece of a model.*\nhint: Join/],
    ['split/m.gguf-split-b', 'MODEL_NOT_GGUF', /one piece of a model.*\nhint: Join/],
  ])('%s is named, with the way out, by inspect and run alike', async (name, code, words) => {
    for (const { status, stdout, stderr } of [await run(cases + name), await kigo('inspect', cases + name)]) {
      expect(status).toBe(1)
      expect(stderr).toMatch(new RegExp(`^error ${code}: `))
      expect(stderr).toMatch(words)
      expect(stdout).not.toMatch(/ +runs on/)
    }
  })

  it.skipIf(process.platform === 'win32')(
    'the command that joins pieces makes a model that loads',
    async () => {
      const dir = path.join(folder, 'pieces')
      mkdirSync(dir)
      for (const name of ['m.gguf-split-a', 'm.gguf-split-b'])
        copyFileSync(`${cases}split/${name}`, `${dir}/${name}`)
      const { stderr } = await run(`${dir}/m.gguf-split-b`)
      const command = /open the result: (.*)\n/.exec(stderr)?.[1] ?? ''
      const joining = spawn('sh', ['-c', command], { cwd: dir })
      await new Promise((resolve) => joining.on('close', resolve))
      const joined = await run(`${dir}/m.gguf`)
      expect(joined).toMatchObject({ status: 0, stderr: '' })
      // The same model as the one in two parts.
      expect(joined.stdout).toBe((await run(`${cases}split/M-00001-OF-00002.GGUF`)).stdout)
    },
  )

  it('several files: what nothing here can run makes the exit status 1, and the others are told', async () => {
    const files = ['mmproj.gguf', 'padded.gguf'].map((name) => cases + name)
    const { status, stdout, stderr } = await kigo('inspect', ...files)
    expect(status).toBe(1)
    expect(stdout).toMatch(/mmproj\.gguf: .*cannot run: .*vision part/)
    expect(stdout).toMatch(/padded\.gguf: .*: fits/)
    expect(stderr).toContain('error UNSUPPORTED_ARCHITECTURE')
    expect((await kigo('inspect', files[1]!)).status).toBe(0)
  })
})
