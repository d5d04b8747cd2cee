import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KigoError } from '../../contract/errors.ts'
import { readGguf } from './index.ts'
import { buildGguf } from './testing/build-gguf.ts'
import { TempFiles } from './testing/temp-files.ts'
import { tinyModel } from './testing/tiny-model.ts'

let files: TempFiles
beforeEach(() => void (files = new TempFiles()))
afterEach(() => files.remove())

const whole = buildGguf(tinyModel())

async function errorOf(file: string): Promise<KigoError> {
  const error: unknown = await readGguf(file).then(
    () => expect.unreachable('it was accepted'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(KigoError)
  return error as KigoError
}

/** Writes the model in pieces and returns their paths. */
function cutInto(names: string[]): string[] {
  const length = Math.ceil(whole.length / names.length)
  return names.map((name, i) => files.write(whole.subarray(i * length, (i + 1) * length), name))
}

const numbered = (count: number, name: (n: number) => string) =>
  Array.from({ length: count }, (_, i) => name(i + 1))

describe('a piece of a file that was cut', () => {
  it.each<[string, string[]]>([
    ['letters', ['m.gguf-split-a', 'm.gguf-split-b', 'm.gguf-split-c']],
    ['as split names them', ['m.gguf.aa', 'm.gguf.ab']],
    ['split with a name of its own', ['m.gguf.part_aa', 'm.gguf.part_ab']],
    ['numbers of how many', numbered(12, (n) => `m.gguf.part${n}of12`)],
    ['numbers with zeros', numbered(11, (n) => `m.gguf.${String(n).padStart(3, '0')}`)],
    ['numbers without zeros', numbered(11, (n) => `m.gguf.part${n}`)],
    ['a name that a shell would take apart', ["it's $HOME.gguf-split-a", "it's $HOME.gguf-split-b"]],
    ['capitals', ['M.GGUF.PART1OF2', 'M.GGUF.PART2OF2']],
  ])('is named, and the command that is shown makes one file of all: %s', async (_, names) => {
    const pieces = cutInto(names)
    files.write(Buffer.from('other'), 'other.gguf-split-a')
    for (const piece of [pieces[0]!, pieces.at(-1)!]) {
      const error = await errorOf(piece)
      expect(error.message).toContain('one piece of a model file')
      const command = /then open the result: (.*)$/.exec(error.hint)?.[1] ?? ''
      if (process.platform === 'win32') continue
      execFileSync('sh', ['-c', command], { cwd: files.dir })
      const joined = /^(.*\.gguf)/i.exec(names[0]!)![1]!
      expect((await readGguf(`${files.dir}/${joined}`)).files[0]?.bytes).toBe(whole.length)
    }
  })

  it('alone says that the others are needed', async () => {
    const [first] = cutInto(['m.gguf-split-a', 'm.gguf-split-b'])
    const moved = new TempFiles()
    const alone = moved.write(whole.subarray(0, 3000), 'm.gguf-split-a')
    expect((await errorOf(alone)).hint).toMatch(/^Put all of them into one folder/)
    expect((await errorOf(first!)).hint).toMatch(/^Join them in their folder/)
    moved.remove()
  })

  it.each(['m.gguf-split-a', 'm.gguf.001', 'm.gguf.part', 'm.gguf.crdownload'])(
    'that is a whole model is one, whatever its name: %s',
    async (name) => {
      expect((await readGguf(files.write(whole, name))).tensors).toHaveLength(20)
    },
  )

  it.each(['m.gguf.gz', 'm.gguf.bak', 'm.Q4_1.gguf', 'm-part1.txt'])(
    'is not suspected in %s',
    async (name) => {
      expect((await errorOf(files.write(Buffer.from('no model'), name))).message).not.toContain('piece')
    },
  )
})

describe('a download that did not finish is called so', () => {
  it.each(['part', 'partial', 'crdownload', 'download', 'incomplete', 'tmp', 'PART', '!qB'])(
    'by its name, .%s',
    async (extension) => {
      for (const bytes of [whole.subarray(0, 5000), Buffer.alloc(5000), Buffer.alloc(0)]) {
        const error = await errorOf(files.write(bytes, `m.gguf.${extension}`))
        expect(error.message).toBe(`This is a download that did not finish: its name ends in .${extension}.`)
        expect(error.hint).toContain('Let the download end')
      }
    },
  )

  it('by its end, with the missing bytes', async () => {
    const error = await errorOf(files.write(whole.subarray(0, whole.length - 1000), 'm.gguf'))
    expect(error).toMatchObject({ code: 'MODEL_TRUNCATED', hint: 'Download the file again, whole.' })
    expect(error.message).toMatch(/cut short.*1,?000 bytes past|cut short.*past the end/)
  })
})
