import { describe, expect, it } from 'vitest'
import { bringBack, placeWindow } from './window-bounds.ts'

const screen = { x: 0, y: 25, width: 1920, height: 1055 }
const left = { x: -1280, y: 0, width: 1280, height: 1024 }
const at = (x: number, y: number, width = 1000, height = 700) => ({ x, y, width, height, maximized: false })

describe('placeWindow', () => {
  it('uses the default size where nothing is remembered, and lets the system place it', () => {
    expect(placeWindow(null, [screen])).toEqual({ width: 1280, height: 800 })
  })

  it('puts the window back where it was, on any screen', () => {
    expect(placeWindow(at(100, 100), [screen])).toEqual({ x: 100, y: 100, width: 1000, height: 700 })
    expect(placeWindow(at(-1200, 10), [screen, left])).toEqual({ x: -1200, y: 10, width: 1000, height: 700 })
  })

  it.each([
    ['its screen is gone', at(-1200, 10)],
    ['it hangs out at the right', at(1900, 100)],
    ['its title bar is above the screen', at(100, -40)],
    ['its title bar is below the screen', at(100, 1060)],
  ])('does not use the place when %s', (_why, bounds) => {
    expect(placeWindow(bounds, [screen])).toEqual({ width: 1000, height: 700 })
  })

  it('is no larger than the screens and no smaller than the minimum', () => {
    expect(placeWindow(null, [{ x: 0, y: 0, width: 1024, height: 700 }])).toEqual({
      width: 1024,
      height: 700,
    })
    expect(placeWindow(at(0, 30, 10, 10), [screen])).toMatchObject({ width: 640, height: 480 })
  })
})

describe('bringBack', () => {
  const screen = { x: 0, y: 0, width: 1920, height: 1040 }
  const right = { x: 1920, y: 0, width: 1280, height: 1024 }
  const window = { x: 2200, y: 100, width: 800, height: 600 }

  it('leaves a window where it can be grabbed', () => {
    expect(bringBack(window, [screen, right])).toBeNull()
    expect(bringBack({ ...window, x: 1700 }, [screen])).toBeNull()
  })

  it('brings it onto the nearest screen that is left, whole, and no further than it must', () => {
    expect(bringBack(window, [screen])).toEqual({ ...window, x: 1120 })
    expect(bringBack({ ...window, x: 3300, y: -400 }, [screen, right])).toEqual({ ...window, x: 2400, y: 0 })
  })

  it('makes it smaller where it must, but never smaller than it may be', () => {
    const small = { x: 100, y: 50, width: 600, height: 900 }
    expect(bringBack({ x: 5000, y: 0, width: 1900, height: 1000 }, [small])).toEqual({
      x: 100,
      y: 50,
      width: 640,
      height: 900,
    })
  })

  it('does nothing while there is no screen at all', () => {
    expect(bringBack(window, [])).toBeNull()
  })
})
