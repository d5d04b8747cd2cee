import { useEffect, useMemo } from 'react'

const announced = new Set<unknown>()

/** Has nobody been told of this yet? What leaves the screen and comes back is shown again, and not said again. */
export function useFirstTime(subject: unknown): boolean {
  const first = useMemo(() => !announced.has(subject), [subject])
  useEffect(() => void announced.add(subject), [subject])
  return first
}
