import { useEffect, useState } from 'react'

/** false, then true once `on` has held for `ms`: what is over sooner shows no progress at all. */
export function useLater(on: boolean, ms: number): boolean {
  const [late, setLate] = useState(false)
  useEffect(() => {
    if (!on) return
    const timer = setTimeout(() => setLate(true), ms)
    return () => {
      clearTimeout(timer)
      setLate(false)
    }
  }, [on, ms])
  return on && late
}
