import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { distFolder, pathInDist, resourcePath } from './resources.ts'

const odd = mkdtempSync(path.join(tmpdir(), 'kigo drüben 俳句 #1 '))
afterAll(() => rmSync(odd, { recursive: true }))

describe('resourcePath', () => {
  it('finds dist of the checkout from the sources', () => {
    expect(resourcePath('native/kigo.node')).toBe(path.resolve('dist/native/kigo.node'))
  })

  it('finds dist from a built module, in a folder with spaces, non-ASCII letters and #', () => {
    const module = path.join(odd, 'dist', 'main', 'main.js')
    mkdirSync(path.dirname(module), { recursive: true })
    const dist = distFolder(pathToFileURL(module).href)
    expect(dist).toBe(path.join(odd, 'dist'))
    expect(existsSync(dist)).toBe(true)
  })

  it('points beside the archive for what the system must open itself', () => {
    const dist = path.join(odd, 'resources', 'app.asar', 'dist')
    expect(pathInDist(dist, 'native/kigo.node')).toBe(
      path.join(odd, 'resources', 'app.asar.unpacked', 'dist', 'native', 'kigo.node'),
    )
  })

  it('stays in the archive for what Electron reads', () => {
    const dist = path.join(odd, 'resources', 'app.asar', 'dist')
    for (const file of ['renderer/index.html', 'main/preload.cjs', 'main/tokenizer-worker.js'])
      expect(pathInDist(dist, file)).toBe(path.join(dist, ...file.split('/')))
  })
})
