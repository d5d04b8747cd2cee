/** Where the window goes: where it was, if that is still on a screen. No Electron: tested under Node. */
import type { Bounds } from './store/settings.ts'

export interface Rectangle {
  x: number
  y: number
  width: number
  height: number
}

export const DEFAULT_SIZE = { width: 1280, height: 800 }
export const MINIMUM_SIZE = { width: 640, height: 480 }

/** Pixels of the title bar that must be on a screen, so that the window can be grabbed. */
const GRIP = { width: 120, height: 44 }

/** Bounds for a new window; without x and y the system places it. `workAreas`: of every screen there is now. */
export function placeWindow(remembered: Bounds | null, workAreas: readonly Rectangle[]): Partial<Rectangle> {
  const largest = (side: 'width' | 'height'): number => Math.max(0, ...workAreas.map((area) => area[side]))
  const fit = (side: 'width' | 'height', wanted: number): number =>
    Math.max(MINIMUM_SIZE[side], Math.min(wanted, largest(side) || wanted))
  const size = {
    width: fit('width', remembered?.width ?? DEFAULT_SIZE.width),
    height: fit('height', remembered?.height ?? DEFAULT_SIZE.height),
  }
  if (!remembered || !workAreas.some((area) => gripIsOn(area, { ...size, x: remembered.x, y: remembered.y })))
    return size
  return { ...size, x: remembered.x, y: remembered.y }
}

/** Where a window goes that can be grabbed on no screen any more: onto the nearest one. null: it can be. */
export function bringBack(window: Rectangle, workAreas: readonly Rectangle[]): Rectangle | null {
  if (workAreas.length === 0 || workAreas.some((area) => gripIsOn(area, window))) return null
  const area = workAreas.reduce((best, next) =>
    distance(next, window) < distance(best, window) ? next : best,
  )
  const width = Math.max(MINIMUM_SIZE.width, Math.min(window.width, area.width))
  const height = Math.max(MINIMUM_SIZE.height, Math.min(window.height, area.height))
  const within = (wanted: number, start: number, room: number): number =>
    Math.max(start, Math.min(wanted, start + room))
  return {
    x: within(window.x, area.x, area.width - width),
    y: within(window.y, area.y, area.height - height),
    width,
    height,
  }
}

/** Between two rectangles, squared; 0 where they touch. */
function distance(a: Rectangle, b: Rectangle): number {
  const dx = Math.max(a.x - (b.x + b.width), b.x - (a.x + a.width), 0)
  const dy = Math.max(a.y - (b.y + b.height), b.y - (a.y + a.height), 0)
  return dx * dx + dy * dy
}

function gripIsOn(area: Rectangle, window: Rectangle): boolean {
  const width = Math.min(window.x + window.width, area.x + area.width) - Math.max(window.x, area.x)
  return width >= GRIP.width && window.y >= area.y && window.y + GRIP.height <= area.y + area.height
}
