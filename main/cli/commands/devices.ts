import type { Device } from '../../../contract/model.ts'
import { formatBytes } from '../../bytes.ts'
import { loadAddon } from '../../engine/index.ts'
import { parse } from '../args.ts'
import type { Command } from '../command.ts'
import { writeJson, writeLine } from '../io.ts'
import { table } from '../format.ts'

export const devices: Command = {
  name: 'devices',
  summary: 'what models can run on',
  usage: `kigo devices [--json]

Lists what --device takes, with memory and threads.`,

  async run(args, io) {
    const { values } = parse(args, { json: { type: 'boolean' } })
    const found: Device[] = loadAddon()
      .devices()
      .map(({ id, name, totalBytes, freeBytes, detail, threads }) => ({
        id,
        name,
        totalBytes,
        freeBytes,
        detail,
        threads,
      }))
    if (values.json) {
      await writeJson(io, found)
    } else {
      const rows = found.map((device) => [
        device.id,
        device.name,
        device.detail,
        String(device.threads),
        `${formatBytes(device.freeBytes)} of ${formatBytes(device.totalBytes)} free`,
      ])
      await writeLine(io.stdout, table([['device', 'name', 'detail', 'threads', 'memory'], ...rows], [3]))
    }
    return 0
  },
}
