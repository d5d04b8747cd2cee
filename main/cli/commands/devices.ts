import { formatBytes } from '../../numbers.ts'
import { deviceList, loadEngine } from '../../engine/index.ts'
import { parse } from '../args.ts'
import type { Command } from '../command.ts'
import { writeJson, writeLine } from '../io.ts'
import { table } from '../format.ts'

export const devices: Command = {
  name: 'devices',
  summary: 'what models can run on',
  usage: `kigo devices [--json]

Lists what --device takes, with threads, memory, and of a GPU its driver and which cuBLAS multiplies matrices there.
Says why there is no GPU where there is none (with --json on stderr: stdout has the list).`,

  async run(args, io) {
    const { values } = parse(args, { json: { type: 'boolean' } })
    const { devices: found, noGpu } = deviceList((await loadEngine()).devices())
    if (values.json) {
      await writeJson(io, found)
    } else {
      const rows = found.map(({ id, name, detail, threads, problem, freeBytes, totalBytes }) => [
        id,
        name,
        threads > 0 ? String(threads) : '',
        `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free`,
        problem ?? detail,
      ])
      await writeLine(io.stdout, table([['device', 'name', 'threads', 'memory', 'detail'], ...rows], [2]))
    }
    if (noGpu) await writeLine(values.json ? io.stderr : io.stdout, `No GPU: ${noGpu.message}`)
    return 0
  },
}
