import type { ReactNode } from 'react'
import type { ErrorCode, ErrorData } from '../../../contract/errors.ts'
import type { LoadedModel } from '../../../contract/model.ts'
import {
  cancelLoad,
  endWhatRuns,
  forget,
  loadModel,
  newChat,
  openLogs,
  pickModel,
  restart,
  reveal,
  runHaiku,
  showCard,
} from '../../app/actions.ts'
import { currentOrder, loadedModel, useKigo } from '../../app/store.ts'
import { count } from '../../ui/format.ts'
import { CopyButton } from '../../ui/CopyButton.tsx'
import { report } from '../../ui/Notice.tsx'
import { largerContext } from './plan.ts'

interface Props {
  error: ErrorData
  /** The file that the error is about; else the loaded one. */
  path: string | undefined
}

interface Way {
  label: string
  /** What a press does; 'report': it copies the report, and says that it has. */
  go: (() => void) | 'report'
}

/** The buttons of an error, best one first and the only one in ink. Each is named by its result. */
export function WaysOut({ error, path }: Props): ReactNode {
  const cancelled = error.code === 'CANCELLED' ? error.data?.['path'] : undefined
  const about = path ?? (typeof cancelled === 'string' ? cancelled : undefined)
  const used = useKigo((state) => about ?? loadedModel(state)?.path ?? lastPath(state.model))
  const planned = useKigo((state) => {
    const found = used === undefined ? undefined : state.inspected[used]
    return found?.ok ? (found.inspection.memory?.largestContext ?? 0) : 0
  })
  const listed = useKigo((state) => state.recents.some((recent) => recent.path === used))
  const loaded = useKigo(loadedModel)
  const alone = useKigo((state) => currentOrder(state).length <= 2)
  // What the load itself found out is newer than the plan.
  const { largestContext = planned } = error.data ?? {}
  const now = { path: used, fits: Number(largestContext), listed, loaded, alone }
  return waysOut(error, now).map(({ label, go }, i) => {
    const look = `btn ${i === 0 ? 'ink' : 'plain'}`
    return go === 'report' ? (
      <CopyButton key={label} className={look} text={report(error)} label={label} />
    ) : (
      <button key={label} className={look} onClick={go}>
        {label}
      </button>
    )
  })
}

function lastPath(model: { status: string } | null): string | undefined {
  return model !== null && 'path' in model && typeof model.path === 'string' ? model.path : undefined
}

/** What there is now, which decides whether a way still leads anywhere. */
interface Now {
  path: string | undefined
  /** The largest context that the file could be loaded with; 0 if none or not known. */
  fits: number
  /** The file is one of the recent models. */
  listed: boolean
  loaded: LoadedModel | null
  /** Nothing was said in the chat before what failed. */
  alone: boolean
}

function waysOut(error: ErrorData, { path, fits, listed, loaded, alone }: Now): Way[] {
  const open: Way = { label: 'Open another file', go: () => void pickModel() }
  const logs: Way = { label: 'Open the logs', go: () => void openLogs() }
  const copyReport: Way = { label: 'Copy the report', go: 'report' }
  const fresh: Way = { label: 'New chat', go: () => void newChat() }
  const onCpu = (): Way[] =>
    loaded?.device === 'cpu'
      ? []
      : withPath((path) => ({
          label: 'Load on the CPU',
          go: () => void loadModel(path, { device: 'cpu', gpuLayers: null }),
        }))
  const ofGpu = error.data?.['device'] !== undefined && error.data['device'] !== 'cpu'
  const withPath = (way: (path: string) => Way): Way[] => (path === undefined ? [] : [way(path)])
  const again = withPath((path) => ({ label: 'Load it again', go: () => void loadModel(path) }))
  const tokens = Number(error.data?.['tokens'] ?? 0)
  const larger = loaded && loaded.nCtx <= tokens ? largerContext(loaded, tokens) : null
  const grow: Way[] =
    loaded === null || larger === null
      ? []
      : [
          {
            label: `Load with ${count(larger)} context`,
            go: () => void loadModel(loaded.path, { contextLength: larger }),
          },
        ]
  const show = withPath((path) => ({ label: 'Show in folder', go: () => void reveal(path) }))

  const ways: Record<ErrorCode, Way[]> = {
    MODEL_NOT_FOUND: [
      { label: 'Find it', go: () => void pickModel() },
      ...(listed ? withPath((path) => ({ label: 'Remove from the list', go: () => void forget(path) })) : []),
    ],
    MODEL_UNREADABLE: [open, ...show],
    MODEL_NOT_GGUF: [open],
    MODEL_TRUNCATED: [open, ...show],
    MODEL_INVALID: [open, copyReport],
    MODEL_FILE_CHANGED: loaded ? [] : again,
    UNSUPPORTED_ARCHITECTURE: [open, copyReport],
    UNSUPPORTED_QUANTIZATION: [open, copyReport],
    UNSUPPORTED_TOKENIZER: [open, copyReport],
    OUT_OF_MEMORY: [
      ...(fits > 0
        ? withPath((path) => ({
            label: `Load with ${count(fits)} context`,
            go: () => void loadModel(path, { contextLength: fits }),
          }))
        : []),
      ...(ofGpu ? onCpu() : []),
      { label: 'Pick another model', go: () => showCard(null) },
    ],
    DEVICE_UNAVAILABLE: onCpu(),
    DEVICE_LOST: [...onCpu(), { label: 'Restart Kigo', go: () => void restart() }],
    NO_MODEL: loaded ? [] : [{ label: 'Open file', go: () => void pickModel() }],
    MODEL_BUSY: [{ label: 'Cancel the load', go: () => void cancelLoad() }],
    MODEL_CLOSED: loaded ? [] : again,
    SESSION_BUSY: [{ label: 'End what runs', go: () => void endWhatRuns() }],
    PROMPT_TOO_LONG: [
      ...grow,
      // A message that is too long by itself is so there, too.
      ...(alone ? [] : [fresh]),
      ...withPath((path) => ({ label: 'Change the context length', go: () => showCard(path) })),
    ],
    NUMERIC_ERROR: [...again, copyReport],
    TEMPLATE_ERROR: [copyReport],
    CANCELLED: loaded ? [] : again,
    INVALID_INPUT: [copyReport],
    FORBIDDEN: [copyReport],
    STREAM_NOT_FOUND: [fresh],
    DOWNLOAD_FAILED: [copyReport],
    HAIKU_FAILED: [{ label: 'Run again', go: () => void runHaiku() }],
    STORE_DAMAGED: [{ label: 'Restart Kigo', go: () => void restart() }, logs],
    STORE_NEWER: [logs],
    STORE_UNWRITABLE: [logs],
    INTERNAL: [logs, copyReport],
  }
  return ways[error.code]
}
