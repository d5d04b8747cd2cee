/**
 * Where a model's layers lie. A list of placements is all that the engine needs to know: one on the CPU, one on a
 * GPU, the first layers on a GPU and the rest on the CPU, or spread over several GPUs. What fits is the backends' own
 * plan; nothing here guesses bytes.
 */
import { KigoError } from '../../contract/errors.ts'
import type { Placement } from '../../contract/model.ts'
import type { DeviceInfo, ModelMemory } from '../engine/addon.ts'
import { bytesForModels } from '../engine/devices.ts'
import { gpuProblem } from '../engine/load.ts'

/** What a device was asked for by: 'auto', 'cpu', 'cuda', 'cuda:1', 'cuda:0,1'. */
export interface Target {
  /** In the order in which layers are given to them; the best one first where Kigo chooses. */
  gpus: DeviceInfo[]
  cpu: DeviceInfo
  /** Kigo chooses what of it to use. */
  auto: boolean
}

/** A layout and what is missing for it, bytes over all devices; 0: it fits. */
export interface Layout {
  placements: Placement[]
  memory: ModelMemory
  missing: number
}

/** What a layout is judged by. */
export interface Demand {
  target: Target
  plan: (placements: readonly Placement[]) => ModelMemory
  /** Bytes that may be used of a device. */
  room: (device: DeviceInfo) => number
}

export interface LayoutOptions extends Demand {
  nLayer: number
  /** null: all on the GPUs that were asked for, as many as fit where Kigo chooses. */
  gpuLayers: number | null
}

/** DEVICE_UNAVAILABLE naming what is there and why there is no GPU; DEVICE_LOST; INVALID_INPUT: one named twice. */
export function findTarget(devices: readonly DeviceInfo[], asked: string): Target {
  const cpu = devices.find(({ id }) => id === 'cpu')
  if (!cpu) throw new KigoError('INTERNAL', 'The engine has no CPU device.')
  if (asked === 'cpu') return { gpus: [], cpu, auto: false }
  if (asked === 'auto') {
    const gpus = devices.filter(({ id, problem }) => id !== 'cpu' && problem === null)
    const faster = (a: DeviceInfo, b: DeviceInfo): number => b.bytesPerSecond - a.bytesPerSecond
    const roomier = (a: DeviceInfo, b: DeviceInfo): number => bytesForModels(b) - bytesForModels(a)
    return { gpus: gpus.toSorted((a, b) => faster(a, b) || roomier(a, b)), cpu, auto: true }
  }
  const [backend = '', numbers = '0'] = asked.split(':')
  const ids = numbers.split(',').map((number) => `${backend}:${number}`)
  if (new Set(ids).size < ids.length)
    throw new KigoError('INVALID_INPUT', `${JSON.stringify(asked)} names a device twice.`)
  const gpus = ids.map((id) => {
    const found = devices.find((device) => device.id === id)
    if (!found) throw unavailable(devices, ids.length > 1 ? id : asked)
    if (found.problem !== null) throw KigoError.from(found.problem)
    return found
  })
  return { gpus, cpu, auto: false }
}

function unavailable(devices: readonly DeviceInfo[], asked: string): KigoError {
  const known = devices.filter(({ problem }) => problem === null).map(({ id }) => id)
  const why = gpuProblem(devices)
  return new KigoError(
    'DEVICE_UNAVAILABLE',
    `There is no device ${JSON.stringify(asked)} here. ${why ? `${why.message} ` : ''}Available: ${known.join(', ')}.`,
    { data: { device: asked, available: known.join(', '), ...(why ? { reason: why.message } : {}) } },
  )
}

/** The best layout that fits, or where none does the one that lacks least. */
export function layOut(options: LayoutOptions): Layout {
  let closest: Layout | null = null
  for (const placements of candidates(options)) {
    const layout = judge(placements, options)
    if (layout.missing === 0) return layout
    if (closest === null || layout.missing < closest.missing) closest = layout
  }
  return closest!
}

/** From the fastest to the slowest: one GPU, all of them, GPUs and the CPU, the CPU. */
function* candidates(options: LayoutOptions): Generator<Placement[]> {
  const { target, nLayer, gpuLayers } = options
  const { gpus, cpu, auto } = target
  const wanted = Math.min(gpuLayers ?? nLayer, nLayer)
  if (gpus.length === 0 || wanted === 0) {
    yield withRest([], cpu, nLayer)
    return
  }
  if (auto) for (const gpu of gpus) yield withRest(spread([gpu], wanted, options), cpu, nLayer)
  if (!auto || gpus.length > 1) yield withRest(spread(gpus, wanted, options), cpu, nLayer)
  if (!auto || gpuLayers !== null) return
  const most = largest(
    (n) => judge(spread(gpus, n, options), options).missing === 0,
    1,
    Math.max(1, nLayer - 1),
  )
  if (most > 0) yield withRest(spread(gpus, most, options), cpu, nLayer)
  yield withRest([], cpu, nLayer)
}

/** What the GPUs do not hold is the CPU's. */
function withRest(onGpus: Placement[], cpu: DeviceInfo, nLayer: number): Placement[] {
  const layerFirst = onGpus.at(-1)?.layerLast ?? 0
  return layerFirst === nLayer ? onGpus : [...onGpus, { device: cpu.id, layerFirst, layerLast: nLayer }]
}

/** What these placements take, and what is missing for it. */
export function judge(placements: Placement[], { plan, target, room }: Demand): Layout {
  const memory = plan(placements)
  const handOver = memory.total - memory.parts.reduce((sum, { total }) => sum + total, 0)
  const missing = placements.reduce((sum, { device }, i) => {
    const onCpu = device === target.cpu.id
    const info = onCpu ? target.cpu : target.gpus.find(({ id }) => id === device)!
    const needed = memory.parts[i]!.total + (onCpu ? handOver : 0)
    return sum + Math.max(0, needed - room(info))
  }, 0)
  return { placements, memory, missing }
}

/** How finely the load of GPUs is evened out: to 2⁻⁵ of it. */
const EVENING_STEPS = 5

/** The first `n` layers on GPUs, filled to the same share of what each may use, in their order. */
function spread(gpus: DeviceInfo[], n: number, options: LayoutOptions): Placement[] {
  if (gpus.length === 1) return [{ device: gpus[0]!.id, layerFirst: 0, layerLast: n }]
  // More than all that there is (1) where it does not fit; far less where the GPUs are large.
  let high = 1
  let best = fill(gpus, n, high, options)
  for (; best === null; high *= 2) best = fill(gpus, n, high * 2, options)
  let low = high / 2
  for (let half = fill(gpus, n, low, options); half !== null; half = fill(gpus, n, low, options)) {
    ;[high, low, best] = [low, low / 2, half]
  }
  for (let step = 0; step < EVENING_STEPS; step++) {
    const share = (low + high) / 2
    const even = fill(gpus, n, share, options)
    if (even === null) low = share
    else [high, best] = [share, even]
  }
  return best
}

/** As many layers on each GPU as `share` of what may be used of it takes; null where some are left over. */
function fill(gpus: DeviceInfo[], n: number, share: number, options: LayoutOptions): Placement[] | null {
  const placements: Placement[] = []
  let layerFirst = 0
  for (const gpu of gpus) {
    const takes = (layerLast: number): boolean =>
      options.plan([{ device: gpu.id, layerFirst, layerLast }]).total <= share * options.room(gpu)
    const layerLast = layerFirst < n ? largest(takes, layerFirst + 1, n) : 0
    if (layerLast === 0) continue
    placements.push({ device: gpu.id, layerFirst, layerLast })
    layerFirst = layerLast
  }
  return layerFirst === n ? placements : null
}

/** The largest whole number from `low` to `high` that `takes` takes; 0 where it takes not even `low`. It is monotone. */
export function largest(takes: (n: number) => boolean, low: number, high: number): number {
  if (takes(high)) return high
  if (low >= high || !takes(low)) return 0
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (takes(middle)) low = middle
    else high = middle
  }
  return low
}
