import { createContext } from 'react'

/** -1 for what stands inside of a stop of its own: it is reached from there, and the Tab key passes it by. */
export const TabStop = createContext<-1 | undefined>(undefined)
