/**
 * The arithmetic of memory, before anything is loaded: where a model runs, and what it takes there. On the CPU the
 * weights are mapped from the file: their pages count as needed all the same, since a model that does not stay resident
 * is read from disk at every token; and the free bytes are those that the system can give without swapping
 * (MemAvailable), to which cached file pages belong.
 */
import { KigoError } from '../../contract/errors.ts'
import { fits, together, type MemoryOutlook, type MemoryPart, type Placement } from '../../contract/model.ts'
import { DEFAULT_CONTEXT, LARGEST_CONTEXT, SMALLEST_CONTEXT } from '../../contract/sampling.ts'
import { formatBytes, grouped } from '../numbers.ts'
import type { Addon, DeviceInfo, ModelDescription, ModelMemory } from '../engine/addon.ts'
import { bytesForModels } from '../engine/devices.ts'
import { findTarget, judge, largest, layOut, type Demand, type Layout, type Target } from './placement.ts'

/**
 * Prompt tokens computed at once; sessions are created with what was planned, so that the plan holds. The larger batch
 * is for layers that are all on GPUs with room for it: each weight is dequantised once for more tokens, and larger
 * products waste less of the multiprocessors. On a CPU, or in float32, one layer of it would take longer than a cancel
 * may wait.
 */
const BATCH = { least: 512, onGpus: 2048 }

/** Where Kigo chooses, it leaves this much of a GPU, beside what the driver takes: the desktop draws with it too. */
const GPU_MARGIN = { bytes: 128 * 2 ** 20, share: 0.04 }

/**
 * What a token takes, for the estimate: so many seconds a layer whatever its size, and its bytes at a share of what the
 * memory could give. Measured on an H200 and 16 cores beside it with models of 0.1 to 4.6 GB, whose splits were at most
 * 1.6 times faster than this says. Where a device does not tell its bandwidth: a GPU of the middle class; desktops with
 * DDR4, and larger CPUs by their cores.
 */
const SPEED = {
  gpu: { layerSeconds: 11e-6, share: 0.75, bandwidth: () => 400e9 },
  cpu: { layerSeconds: 40e-6, share: 1, bandwidth: (threads: number) => Math.max(40e9, 7e9 * threads) },
}

export interface MemoryOptions {
  /** 'auto', 'cpu', 'cuda', 'cuda:1', 'cuda:0,1'… */
  device: string
  /** Layers on GPUs; null: as many as fit ('auto'), or all of them. */
  gpuLayers?: number | null
  exact: boolean
  /** null: min(8192, trained, what fits). */
  contextLength: number | null
  /** Each takes its own scratch on a CPU; null: chosen by the backend. */
  threads?: number | null
  /** Bytes by device that count as free though they are in use: a model that is let go first. */
  reclaim?: Readonly<Record<string, number>>
  /** Bytes by device that can be had at most, its driver's too, whatever it says is free: an allocation has failed. */
  atMost?: Readonly<Record<string, number>>
  /** Prompt tokens at once that there must be room for; null: the least. */
  batch?: number | null
}

/** The plan for one session. Throws the errors of findTarget(), and what the backends say of the description. */
export function planMemory(addon: Addon, model: ModelDescription, options: MemoryOptions): MemoryOutlook {
  const { exact, threads, reclaim = {}, atMost = {} } = options
  const devices = addon.devices()
  const asked = findTarget(devices, options.device)
  const { nLayer, nCtxTrain } = model.config
  const free = (device: DeviceInfo): number => {
    const { id, freeBytes } = device
    return bytesForModels(device, Math.min(freeBytes + (reclaim[id] ?? 0), atMost[id] ?? Infinity))
  }
  const margin = ({ id, totalBytes }: DeviceInfo): number =>
    asked.auto && id !== asked.cpu.id ? Math.min(GPU_MARGIN.bytes, GPU_MARGIN.share * totalBytes) : 0

  try {
    const planner = addon.planner(model, { exact, threads: threads ?? 0 })
    const leastBatch = options.batch ?? BATCH.least
    const shortest = Math.min(SMALLEST_CONTEXT, nCtxTrain)
    const { best, refusal } = bestTarget(devices, (device) =>
      planner([{ device, layerFirst: 0, layerLast: nLayer }], { nCtx: shortest, nBatch: shortest }),
    )
    const target = asked.auto ? best : asked
    const demand = (nCtx: number, batch: number): Demand => ({
      target,
      plan: remembered((placements) => planner(placements, { nCtx, nBatch: Math.min(batch, nCtx) })),
      room: (device) => free(device) - margin(device),
    })
    const at = (nCtx: number): Layout =>
      layOut({ ...demand(nCtx, leastBatch), nLayer, gpuLayers: options.gpuLayers ?? null })
    const largestContext = largest((nCtx) => at(nCtx).missing === 0, shortest, LARGEST_CONTEXT)
    const ctx = options.contextLength ?? Math.min(DEFAULT_CONTEXT, nCtxTrain, largestContext || nCtxTrain)
    const least = at(ctx)
    const mayGrow = !exact && least.placements.every(({ device }) => device !== target.cpu.id)
    const grown = mayGrow ? judge(least.placements, demand(ctx, BATCH.onGpus)) : null
    const hasGrown = grown?.missing === 0
    const { placements, memory } = hasGrown ? grown : least
    const parts = placements.map((placement, i): MemoryPart => {
      const device = devices.find(({ id }) => id === placement.device)!
      const { weights, kv, workspace, total } = memory.parts[i]!
      const { name, totalBytes: deviceTotal } = device
      return { ...placement, name, weights, kv, workspace, total, free: free(device), deviceTotal }
    })
    const { weights, kv, workspace, total } = memory
    return {
      device: deviceOf(placements),
      ctx,
      batch: Math.min(hasGrown ? BATCH.onGpus : leastBatch, ctx),
      weights,
      kv,
      workspace,
      total,
      largestContext,
      free: parts.reduce((sum, part) => sum + part.free, 0),
      deviceTotal: parts.reduce((sum, part) => sum + part.deviceTotal, 0),
      parts,
      slowdown: slowdown(model, placements, best),
      gpuRefusal: asked.auto ? refusal : null,
    }
  } catch (error) {
    throw KigoError.from(error)
  }
}

/** What Kigo may choose from: no GPU whose kernels refuse a type or a size of the model. In words, why the first. */
function bestTarget(
  devices: readonly DeviceInfo[],
  plan: (device: string) => void,
): { best: Target; refusal: string | null } {
  const auto = findTarget(devices, 'auto')
  let refusal: string | null = null
  const gpus = auto.gpus.filter(({ id }) => {
    try {
      plan(id)
    } catch (cause) {
      const { code, message } = KigoError.from(cause)
      if (code !== 'UNSUPPORTED_QUANTIZATION' && code !== 'UNSUPPORTED_ARCHITECTURE') return true
      refusal ??= message
      return false
    }
    return true
  })
  return { best: { ...auto, gpus }, refusal }
}

/** 'cuda:0', 'cuda:0 + cpu' */
export function deviceOf(placements: readonly Placement[]): string {
  return placements.map(({ device }) => device).join(' + ')
}

/** A search asks for the same part again and again. */
function remembered(plan: (placements: readonly Placement[]) => ModelMemory): typeof plan {
  const known = new Map<string, ModelMemory>()
  return (placements) => {
    const key = placements
      .map(({ device, layerFirst, layerLast }) => `${device} ${layerFirst} ${layerLast}`)
      .join(';')
    const memory = known.get(key) ?? plan(placements)
    known.set(key, memory)
    return memory
  }
}

/** See MemoryOutlook. A token reads every layer's weights once, and the head's. */
function slowdown(
  model: ModelDescription,
  placements: readonly Placement[],
  { gpus, cpu }: Target,
): number | null {
  if (gpus.length === 0 || placements.every(({ device }) => device !== cpu.id)) return null
  const { nLayer } = model.config
  const hasOutput = model.tensors.some(({ name }) => name === 'output.weight')
  const head = hasOutput ? 'output.weight' : 'token_embd.weight'
  const read = (first: number, last: number): number =>
    model.tensors.reduce((sum, { name, bytes }) => {
      const layer = Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1)
      const counts = layer >= 0 ? layer >= first && layer < last : name === head && last === nLayer
      return counts ? sum + bytes : sum
    }, 0)
  const seconds = ({ id, bytesPerSecond, threads }: DeviceInfo, first: number, last: number): number => {
    const { layerSeconds, share, bandwidth } = SPEED[id === cpu.id ? 'cpu' : 'gpu']
    return (
      (last - first) * layerSeconds + read(first, last) / (share * (bytesPerSecond || bandwidth(threads)))
    )
  }
  const split = placements.reduce((sum, { device, layerFirst, layerLast }) => {
    const info = device === cpu.id ? cpu : gpus.find(({ id }) => id === device)!
    return sum + seconds(info, layerFirst, layerLast)
  }, 0)
  return split / Math.min(...gpus.map((gpu) => seconds(gpu, 0, nLayer)))
}

/** Refuses a load that cannot fit, before it begins: OUT_OF_MEMORY with the bytes and the context that would fit. */
export function checkFits(name: string, memory: MemoryOutlook): void {
  const part = memory.parts.find(({ total, free }) => total > free)
  if (fits(memory) || !part) return
  const { ctx, largestContext, parts } = memory
  const where = parts.length > 1 ? ` on ${part.name}` : ''
  const has = part.device === 'cpu' ? 'are free' : `are free on ${part.name}`
  const missingBytes = part.total - part.free
  throw new KigoError(
    'OUT_OF_MEMORY',
    `${name} does not fit with ${grouped(ctx)} context. It needs ${formatBytes(part.total)}${where}; ${formatBytes(part.free)} ${has}: ${formatBytes(missingBytes)} too little.`,
    {
      hint: hintFor(memory),
      data: {
        neededBytes: part.total,
        freeBytes: part.free,
        missingBytes,
        nCtx: ctx,
        largestContext,
        device: part.device,
      },
    },
  )
}

/**
 * An allocation failed though the plan had fitted (another program took the memory meanwhile): the backend's error,
 * with the context that fits now on the same devices. `wanted` is what was asked of the device until it refused.
 */
export function failedToFit(
  name: string,
  error: KigoError,
  memory: MemoryOutlook,
  wanted: 'weights' | 'total',
  replan: (change: Partial<MemoryOptions>) => MemoryOutlook,
): KigoError {
  if (error.code !== 'OUT_OF_MEMORY') return error
  const part = memory.parts.find(({ device }) => device === error.data?.['device']) ?? memory.parts[0]!
  const needed = Number(error.data?.['neededBytes'] ?? 0)
  const missing = Number(error.data?.['missingBytes'] ?? 0)
  // What it had been given before. A session asks for its workspace last, or for all that it needs at once.
  const given = wanted === 'weights' ? 0 : part.weights + (needed === part.workspace ? part.kv : 0)
  const gpuParts = memory.parts.filter(({ device }) => device !== 'cpu')
  const now = replan({
    contextLength: null,
    // The same devices and layers: what would fit elsewhere is another load.
    device: gpuParts.length === 0 ? 'cpu' : together(gpuParts.map(({ device }) => device)),
    gpuLayers: gpuParts.at(-1)?.layerLast ?? 0,
    // A device that says it has more free than it gives lets the next load plan the large batch again.
    batch: memory.batch,
    atMost: { [part.device]: given + Math.max(0, needed - missing) },
  })
  const largestContext = Math.min(now.largestContext, memory.ctx)
  return new KigoError(
    'OUT_OF_MEMORY',
    `${name} does not fit with ${grouped(memory.ctx)} context any more. ${error.message}`,
    {
      hint: hintFor({ ...now, largestContext }),
      data: { ...error.data, device: part.device, nCtx: memory.ctx, largestContext },
      cause: error,
    },
  )
}

function hintFor({ largestContext, parts }: Pick<MemoryOutlook, 'largestContext' | 'parts'>): string {
  if (largestContext > 0) return `Load it with ${grouped(largestContext)} context or less.`
  const isSplit = parts.at(-1)?.device === 'cpu'
  if (isSplit && parts.some(({ device, total, free }) => device !== 'cpu' && total > free))
    return 'Put fewer layers on the GPU, or let Kigo choose how many.'
  return parts.some(({ device }) => device !== 'cpu')
    ? 'Let Kigo choose the device: what does not fit on the GPU runs on the CPU.'
    : 'Choose a smaller model, or close other programs.'
}
