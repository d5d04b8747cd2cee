/** What crosses between the store's client and its worker. */
import type { ErrorData } from '../../../contract/errors.ts'
import type { Answer, MethodName } from './methods.ts'

export type StoreRequest = { id: number; name: MethodName; args: unknown[] } | { id: number; name: 'close' }

export type StoreReply =
  | { type: 'opened'; keptAside: string | null; interrupted: string[] }
  | { type: 'refused'; error: ErrorData }
  | ({ type: 'answer'; id: number } & Answer)
  | { type: 'error'; id: number; error: ErrorData }
