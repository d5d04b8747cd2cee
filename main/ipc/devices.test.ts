import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadAddon, loadEngine } from '../engine/index.ts'
import { resourcePath } from '../resources.ts'
import { devicesHandlers } from './devices.ts'

describe.skipIf(!existsSync(resourcePath('native/kigo.node')))('what there is to compute on', () => {
  it('is asked of the engine once it is there, the processor last', async () => {
    const { devices, noGpu } = await devicesHandlers({ addon: loadEngine })['devices.list'](null, null)
    expect(devices.map(({ id }) => id)).toEqual(
      loadAddon()
        .devices()
        .map(({ id }) => id),
    )
    expect(devices.at(-1)).toMatchObject({ id: 'cpu', problem: null })
    expect(noGpu).toMatchObject({ code: 'DEVICE_UNAVAILABLE' })
  })
})
