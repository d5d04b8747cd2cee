import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileArgument } from './arguments.ts'

const here = path.resolve('.')

describe('fileArgument', () => {
  it('finds the file behind switches and the folder of the app', () => {
    expect(fileArgument(['/opt/electron', '--no-sandbox', '.', 'models/a.gguf'], here)).toBe(
      path.join(here, 'models', 'a.gguf'),
    )
    expect(fileArgument(['/opt/Kigo', '/m/with space/b.gguf'], here)).toBe('/m/with space/b.gguf')
  })

  it('takes the address of a file as well', () => {
    expect(fileArgument(['/opt/Kigo', 'file:///m/with%20space.gguf'], here)).toBe('/m/with space.gguf')
  })

  it('names a file also where it does not exist or is no model, so that the window can say so', () => {
    expect(fileArgument(['/opt/Kigo', 'missing.gguf'], '/m')).toBe('/m/missing.gguf')
    expect(fileArgument(['/opt/Kigo', 'package.json'], here)).toBe(path.join(here, 'package.json'))
  })

  it('is null where there is none', () => {
    expect(fileArgument(['/opt/electron', here, '--inspect=0', ''], here)).toBeNull()
    expect(fileArgument([], here)).toBeNull()
  })
})
