/**
 * The arithmetic of memory, before anything is loaded. On the CPU the weights are mapped from the file: their pages
 * count as needed all the same, since a model that does not stay resident is read from disk at every token; and the
 * free bytes are those that the system can give without swapping (MemAvailable), to which cached file pages belong.
 */
import { KigoError } from '../../contract/errors.ts'
import type { Inspection } from '../../contract/model.ts'
import { formatBytes } from '../bytes.ts'
import type { Addon, DeviceInfo, MemoryPlan, ModelDescription } from '../engine/addon.ts'

/** Prompt tokens computed at once; sessions are created with it, so that the plan holds. */
export const N_BATCH = 512
export const DEFAULT_CONTEXT = 8192
export const SMALLEST_CONTEXT = 16

/** What a model takes on a device, and what that device has. Bytes. */
export type MemoryOutlook = NonNullable<Inspection['memory']>

export interface MemoryOptions {
  /** 'auto', 'cpu', 'cuda', 'cuda:0'… */
  device: string
  exact: boolean
  /** null: min(8192, trained, what fits). */
  contextLength: number | null
  /** Each takes its own scratch on a CPU; null: chosen by the backend. */
  threads?: number | null
}

/** The plan for one session. Throws DEVICE_UNAVAILABLE, and what the backend says of the description. */
export function planMemory(addon: Addon, model: ModelDescription, options: MemoryOptions): MemoryOutlook {
  const device = findDevice(addon.devices(), options.device)
  const plan = (nCtx: number): MemoryPlan => {
    try {
      return addon.plan(model, {
        device: device.id,
        exact: options.exact,
        nCtx,
        nBatch: Math.min(N_BATCH, nCtx),
        threads: options.threads ?? 0,
      })
    } catch (error) {
      throw KigoError.from(error)
    }
  }
  const trained = model.config.nCtxTrain
  const largest = largestContext((nCtx) => plan(nCtx).total <= device.freeBytes, trained)
  const ctx = options.contextLength ?? Math.min(DEFAULT_CONTEXT, trained, largest || trained)
  const { weights, kv, workspace, total } = plan(ctx)
  return {
    device: device.id,
    ctx,
    weights,
    kv,
    workspace,
    total,
    largestContext: largest,
    free: device.freeBytes,
    deviceTotal: device.totalBytes,
  }
}

/** Refuses a load that cannot fit, before it begins: OUT_OF_MEMORY with the bytes and the context that would fit. */
export function checkFits(name: string, memory: MemoryOutlook): void {
  const { ctx, total, free, largestContext: largest, device } = memory
  if (total <= free) return
  const tokens = (n: number) => n.toLocaleString('en-US')
  throw new KigoError(
    'OUT_OF_MEMORY',
    `${name} does not fit with ${tokens(ctx)} context. It needs ${formatBytes(total)}; ${formatBytes(free)} are free.`,
    {
      hint:
        largest > 0
          ? `Load it with ${tokens(largest)} context or less.`
          : 'Choose a smaller model, or close other programs.',
      data: {
        neededBytes: total,
        freeBytes: free,
        missingBytes: total - free,
        nCtx: ctx,
        largestContext: largest,
        device,
      },
    },
  )
}

/** 'auto' is the first device that is not the CPU, where there is one. */
export function findDevice(devices: DeviceInfo[], asked: string): DeviceInfo {
  const found =
    asked === 'auto'
      ? (devices.find(({ id }) => id !== 'cpu') ?? devices[0])
      : (devices.find(({ id }) => id === asked) ?? devices.find(({ id }) => id === `${asked}:0`))
  if (found) return found
  const known = devices.map(({ id }) => id).join(', ')
  throw new KigoError(
    'DEVICE_UNAVAILABLE',
    `There is no device ${JSON.stringify(asked)} here. Available: ${known || 'none'}.`,
    {
      data: { device: asked, available: known },
    },
  )
}

/** The largest context up to `max` that fits; 0 where not even the smallest does. `fits` is monotone. */
export function largestContext(fits: (nCtx: number) => boolean, max: number): number {
  if (fits(max)) return max
  let low = Math.min(SMALLEST_CONTEXT, max)
  if (!fits(low)) return 0
  let high = max // does not fit
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (fits(middle)) low = middle
    else high = middle
  }
  return low
}
