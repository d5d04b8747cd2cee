import { CircleAlert, TriangleAlert, X } from 'lucide-react'
import { useContext, type ReactNode } from 'react'
import { ERRORS, type ErrorData } from '../../contract/errors.ts'
import { useFirstTime } from './announced.ts'
import { CopyButton } from './CopyButton.tsx'
import { fileAndFolder, pathParts } from './format.ts'
import { Icon } from './Icon.tsx'
import { TabStop } from './tab-stop.ts'

interface Props {
  error: ErrorData
  /** Buttons that lead out, the best one first. */
  children?: ReactNode
  figure?: ReactNode
  /** The path of the file that it is about, where nothing else beside it names that. */
  file?: string | undefined
  /** false: it was announced before and is only shown again. */
  announce?: boolean
  /** What it is about, where the same is said by another error each time: it is announced once. */
  once?: string | undefined
  /** A state that calls for a decision, not a failure. */
  mild?: boolean
  onClose?: () => void
}

/** An error in place: what happened, what follows, the way out; code and facts behind "Details". */
export function Notice({
  error,
  children,
  figure,
  file,
  announce = true,
  once,
  mild = false,
  onClose,
}: Props) {
  const tab = useContext(TabStop)
  const first = useFirstTime(once ?? error)
  const [title, says] = firstSentence(error.message)
  const hint = error.hint ?? ERRORS[error.code].wayOut
  return (
    <div className={`notice ${mild ? 'warn' : ''}`} role={announce && first ? 'alert' : 'note'}>
      <Icon of={mild ? TriangleAlert : CircleAlert} size={18} />
      <div>
        <h2>{title}</h2>
        {file !== undefined && !error.message.includes(pathParts(file).file) && (
          <p className="cut" title={file}>
            {fileAndFolder(file)}
          </p>
        )}
        {says !== '' && <p>{says}</p>}
        <p>{hint}</p>
        {figure}
        <div className="fix">{children}</div>
        <details>
          <summary tabIndex={tab}>Details</summary>
          <pre tabIndex={tab ?? 0}>{report(error)}</pre>
          <CopyButton text={report(error)} label="Copy" className="btn quiet small" />
        </details>
      </div>
      {onClose && (
        <button className="tool sm" aria-label="Dismiss" onClick={onClose}>
          <Icon of={X} size={14} />
        </button>
      )}
    </div>
  )
}

/** The first sentence is the title, without its full stop; the others follow. */
export function firstSentence(message: string): [title: string, rest: string] {
  const end = message.search(/\.\s+(?=[\p{Lu}\d“"])/u)
  if (end < 0) return [message.replace(/\.$/, ''), '']
  return [message.slice(0, end), message.slice(end + 1).trim()]
}

/** For a bug report: the code, the sentence and every fact. */
export function report(error: ErrorData): string {
  const facts = error.data === undefined ? [] : [JSON.stringify(error.data, null, 2)]
  return [error.code, error.message, ...facts].join('\n')
}
