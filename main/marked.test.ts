import { expect, it } from 'vitest'
import { unmarked } from './marked.ts'

it('the arguments of the command are what stands behind the marks', () => {
  expect(unmarked(['=run', '=--prompt', '=', '==x', '=--cli'])).toEqual([
    'run',
    '--prompt',
    '',
    '=x',
    '--cli',
  ])
  expect(unmarked([])).toEqual([])
})

it.each([['--log-net-log=x'], ['-x'], ['x'], ['']])(
  'an argument %j without a mark may have been taken for a switch, so none is taken',
  (argument) => {
    expect(unmarked(['=run', argument])).toBeNull()
    expect(unmarked([argument, '=run'])).toBeNull()
  },
)
