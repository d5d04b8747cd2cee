import { availableParallelism, cpus, release, totalmem, type } from 'node:os'

/** What a figure is worth nothing without. */
export function machine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown CPU',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    os: `${type()} ${release()}`,
  }
}
