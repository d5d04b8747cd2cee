import type { ReactNode } from 'react'
import { loadModel } from '../../app/actions.ts'
import { lastModel, useKigo } from '../../app/store.ts'

/** Loads the model that was used last. */
export function LoadAgain({ className, children }: { className?: string; children?: ReactNode }) {
  const name = useKigo((state) => lastModel(state)?.name)
  const path = useKigo((state) => lastModel(state)?.path)
  if (path === undefined) return null
  return (
    <button className={className} onClick={() => void loadModel(path)}>
      {children}
      Load {name} again
    </button>
  )
}
