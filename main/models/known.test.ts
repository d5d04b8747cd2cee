import { expect, it } from 'vitest'
import { modelPath } from './known.ts'

it('takes everything but a known name for a path', () => {
  for (const given of ['model.gguf', 'constructor', 'toString', '__proto__', ''])
    expect(modelPath(given)).toBe(given)
})
