/**
 * Builds the native code:
 * `node scripts/build-native.mjs [--preset NAME] [--tests] [--cuda 75,90,120+ptx] [--force]`, NAME being release, dist,
 * asan, tsan, simulated or checked.
 *
 * release and dist, which have the addon, are built by cmake-js; the rest, for tests of the engine alone, by the presets
 * of native/CMakePresets.json.
 *
 * The release preset puts kigo.node and libkigo_fake.so into dist/native, and libkigo_cuda.so for the GPUs that --cuda
 * names (without it none is left there). --tests builds build/native/PRESET/kigo_tests too, with the CUDA libraries
 * beside it; then dist/native's stays as it is. The preset dist is release in a folder of its own, for all GPUs;
 * simulated has the CUDA libraries for a GPU that is simulated, for which the toolkit's headers are needed; checked is
 * the same and looks for races and reads of memory that nothing wrote. A build is skipped where a hash of sources,
 * flags and compiler equals that of the last one.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { availableParallelism, freemem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { findToolkit } from './setup/cuda.mjs'
import { putFile, writeWhole } from './setup/durable.mjs'
import { takeLock } from './setup/lock.mjs'
import { findProgram, run, say } from './setup/project.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const native = join(root, 'native')
const packages = join(root, 'node_modules')

const { values } = parseArgs({
  options: {
    preset: { type: 'string', default: 'release' },
    tests: { type: 'boolean', default: false },
    cuda: { type: 'string' },
    force: { type: 'boolean', default: false },
  },
})
const { preset, tests } = values
const build = join(root, 'build', 'native', preset)
const dist = join(root, 'dist', 'native')

const addon = preset === 'release' || preset === 'dist'
const simulated = preset === 'simulated' || preset === 'checked'
const toolkit = values.cuda || simulated ? findToolkit() : null
if ((values.cuda || simulated) && !toolkit) {
  console.error('There is no CUDA toolkit 12.8 or newer here. `node scripts/fetch-cuda.mjs` gets one.')
  process.exit(1)
}
const targets = [
  ...(addon ? ['kigo_addon', 'kigo_fake'] : []),
  ...(toolkit ? ['kigo_cuda'] : []),
  ...(tests ? ['kigo_tests'] : []),
]
if (targets.length === 0) targets.push('kigo_core', 'kigo_cpu', 'kigo_fake')
const installed = ['kigo.node', 'libkigo_fake.so', ...(toolkit && !tests ? ['libkigo_cuda.so'] : [])]
const outputs = [...(addon ? installed : []), ...(tests ? ['kigo_tests'] : [])].map((name) =>
  join(build, name),
)

// Two builds in one folder would spoil each other's objects: the second waits, then finds its work done.
mkdirSync(build, { recursive: true })
await lock(join(build, '.lock'))
// One for the folder, whatever was built there last, and none while something is.
const stamp = join(build, '.hash')
const hash = hashOfInputs()
const upToDate =
  existsSync(stamp) && readFileSync(stamp, 'utf8') === hash && outputs.every((file) => existsSync(file))
if (!upToDate || values.force) {
  rmSync(stamp, { force: true })
  const definitions = {
    KIGO_TESTS: tests ? 'ON' : 'OFF',
    KIGO_CUDA: values.cuda ? 'ON' : 'OFF',
    ...(simulated ? { KIGO_CUDA_INCLUDE: toolkit.include } : {}),
    ...(values.cuda
      ? {
          CMAKE_CUDA_COMPILER: toolkit.nvcc,
          KIGO_CUDA_ARCHITECTURES: values.cuda.replaceAll(',', ';'),
          KIGO_CUDA_RUNPATH: preset === 'dist' ? '' : (toolkit.libraries ?? ''),
        }
      : {}),
  }
  if (addon) await makeAddon(definitions)
  else await makeByPreset(definitions)
}
// Two presets install to one place, so what stands there may be the other's though this one is up to date.
if (addon) {
  mkdirSync(dist, { recursive: true })
  for (const name of installed) install(join(build, name), join(dist, name))
  if (!toolkit && !tests) rmSync(join(dist, 'libkigo_cuda.so'), { force: true })
}
writeWhole(stamp, hash)

/** Waits until no living process holds the lock, and holds it until this one ends. */
async function lock(file) {
  while (!takeLock(file)) await sleep(200)
  process.on('exit', () => rmSync(file, { force: true }))
}

/** Complete under its name or not there at all: a program that has the old one mapped keeps it. */
function install(from, to) {
  if (existsSync(to) && readFileSync(to).equals(readFileSync(from))) return
  const temporary = `${to}.${process.pid}.tmp`
  copyFileSync(from, temporary)
  putFile(temporary, to)
}

/** One for each core, as far as there is memory: nvcc takes up to 2 GB for a file. */
function jobs() {
  return Math.max(2, Math.min(availableParallelism(), Math.floor(freemem() / 2 ** 31)))
}

function hashOfInputs() {
  const sources = readdirSync(native, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.startsWith(join(native, 'build')))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  const sum = createHash('sha256')
  for (const file of [...sources, fileURLToPath(import.meta.url)]) {
    sum.update(file.slice(root.length)).update('\0').update(readFileSync(file)).update('\0')
  }
  const compiler = spawnSync(process.env.CXX ?? 'c++', ['--version'], { encoding: 'utf8' }).stdout
  const flags = [process.env.CXXFLAGS, process.env.LDFLAGS, process.platform, process.arch]
  const cuda = toolkit && [toolkit, values.cuda]
  return sum
    .update(JSON.stringify([preset, targets, addon && npmVersions(), compiler, flags, cuda]))
    .digest('hex')
}

/** cmake-js and where Node's headers come from: npm, so that none are downloaded. */
function npmVersions() {
  return ['cmake-js', 'node-addon-api', 'node-api-headers'].map(
    (name) => JSON.parse(readFileSync(join(packages, name, 'package.json'), 'utf8')).version,
  )
}

async function makeAddon(definitions) {
  const { CXXFLAGS } = process.env
  const all = {
    ...definitions,
    CMAKE_LIBRARY_OUTPUT_DIRECTORY: build,
    // cmake-js gives flags of its own, and then CMake does not look at the environment's.
    ...(CXXFLAGS ? { CMAKE_CXX_FLAGS: `-DBUILDING_NODE_EXTENSION ${CXXFLAGS}` } : {}),
  }
  await cmakeJs('configure', Object.entries(all).map(definition))
  await cmakeJs('build', ['--target', ...targets])
}

/** `args` are CMake's. */
function cmakeJs(command, args) {
  const program = join(packages, 'cmake-js', 'bin', 'cmake-js')
  // Make also where Ninja is there by now: a folder stays with the generator that it was first made with.
  const flags = ['--prefer-make', '--parallel', String(jobs()), '--log-level', 'warn', ...compilers()]
  return make(process.execPath, [
    ...[program, command, '--directory', native, '--out', build],
    ...[...flags, '--', ...args],
  ])
}

/** cmake-js looks for g++ and clang++ alone, and CMake also for what the environment names and for c++. */
function compilers() {
  if (process.platform === 'win32' || findProgram('g++', 'clang++')) return []
  return ['--cc', process.env.CC ?? 'cc', '--cxx', process.env.CXX ?? 'c++']
}

async function makeByPreset(definitions) {
  await make('cmake', ['-S', native, '--preset', preset, ...Object.entries(definitions).map(definition)])
  await make('cmake', ['--build', build, '--parallel', String(jobs()), '--target', ...targets])
}

function definition([name, value]) {
  return `-D${name}=${value}`
}

async function make(program, args) {
  // At low priority, and none of stdout: commands that print JSON may build on the way.
  const [command, ...rest] =
    process.platform === 'win32' ? [program, ...args] : ['nice', '-n', '5', program, ...args]
  // Paths below the checkout count as relative ones, so that one clone's objects serve another's.
  const env = { CCACHE_BASEDIR: root, CCACHE_NOHASHDIR: 'true' }
  const status = await run(command, rest, { cwd: native, env, withDescendants: true }).catch((error) => {
    say(error.message)
    return 1
  })
  if (status !== 0) process.exit(status)
}
