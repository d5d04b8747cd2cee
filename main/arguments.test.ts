import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { commandArguments, fileArgument } from './arguments.ts'

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

  it('takes what stands behind the end of the switches for a file, also where it looks like one', () => {
    expect(fileArgument(['/opt/Kigo', '--no-sandbox', '--', '--log-net-log=x.gguf'], '/m')).toBe(
      '/m/--log-net-log=x.gguf',
    )
    expect(fileArgument(['/opt/Kigo', '--', '--cli'], '/m')).toBe('/m/--cli')
    expect(fileArgument(['/opt/Kigo', '--', '--'], '/m')).toBe('/m/--')
    expect(fileArgument(['/opt/Kigo', 'a.gguf', '--', 'b.gguf'], '/m')).toBe('/m/a.gguf')
    expect(fileArgument(['/opt/Kigo', '--'], '/m')).toBeNull()
  })

  it('is null where there is none', () => {
    expect(fileArgument(['/opt/electron', here, '--inspect=0', ''], here)).toBeNull()
    expect(fileArgument([], here)).toBeNull()
  })
})

describe('commandArguments', () => {
  it('are what stands behind --cli', () => {
    expect(commandArguments(['/opt/Kigo', '--no-sandbox', '--cli', '=run', '=--cli'])).toEqual([
      '=run',
      '=--cli',
    ])
    expect(commandArguments(['/opt/Kigo', '--cli'])).toEqual([])
  })

  it('are not asked for by a file of that name', () => {
    expect(commandArguments(['/opt/Kigo', 'cli.gguf'])).toBeNull()
    expect(commandArguments(['/opt/Kigo', '--', '--cli'])).toBeNull()
  })
})
