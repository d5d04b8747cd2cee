import { Check, X } from 'lucide-react'
import { useEffect, useState } from 'react'
import type { HaikuAttempt, HaikuResult } from '../../../contract/chat.ts'
import { closeHaiku, runHaiku } from '../../app/actions.ts'
import { useKigo } from '../../app/store.ts'
import { Icon } from '../../ui/Icon.tsx'
import { count, seconds, shortName } from '../../ui/format.ts'
import { Notice } from '../../ui/Notice.tsx'
import { LooseNotices } from '../chat/Notices.tsx'
import { WaysOut } from '../models/WaysOut.tsx'
import { pieces } from './poem.ts'

/** The haiku test: the whole path from the file to the reply, with the minute as its proof. */
export function HaikuCard() {
  const haiku = useKigo((state) => state.haiku)
  const result = haiku?.status === 'done' ? haiku.result : null
  return (
    <section className="mid thin" aria-label="Haiku test" data-region="content">
      <div className="haiku">
        <header>
          <h1 className="h">Haiku test</h1>
          {result && (
            <span className="meta num">
              minute {result.minute}, so “{result.words}”
            </span>
          )}
          <span className="grow" />
          {haiku?.status !== 'running' && (
            <button className="btn plain" onClick={() => void runHaiku()}>
              Run again
            </button>
          )}
          <button className="tool" aria-label="Close the card" onClick={() => void closeHaiku()}>
            <Icon of={X} />
          </button>
        </header>
        {haiku?.status === 'running' && <Running since={haiku.since} />}
        {haiku?.status === 'failed' && (
          <div className="said">
            <Notice error={haiku.error}>
              <WaysOut error={haiku.error} path={undefined} />
            </Notice>
          </div>
        )}
        {result && <Result result={result} />}
      </div>
      <LooseNotices />
    </section>
  )
}

function Running({ since }: { since: number }) {
  const [now, setNow] = useState(since)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 100)
    return () => clearInterval(timer)
  }, [])
  return (
    <div className="said">
      <p>Writing a haiku that says the minute once</p>
      <p className="meta num">{seconds(Math.max(0, now - since))}, Esc ends it</p>
    </div>
  )
}

function Result({ result }: { result: HaikuResult }) {
  const { haiku, words, attempts, ok, device } = result
  const devices = useKigo((state) => state.devices)
  // 'cuda:0 + cpu' by the names that a person knows.
  const ran = device
    .split(' + ')
    .map((id) => (id === 'cpu' ? 'CPU' : shortName(devices.find((one) => one.id === id)?.name ?? id)))
    .join(' + ')
  return (
    <>
      {haiku === null ? (
        <div className="said">
          <p>No attempt held the minute exactly once in three lines.</p>
        </div>
      ) : (
        <div className="poem" aria-live="polite">
          {haiku.split('\n').map((line, i) => (
            <p key={i} dir="auto">
              {pieces(line, words).map(({ text, word }, j) => (word ? <em key={j}>{text}</em> : text))}
            </p>
          ))}
        </div>
      )}
      <dl>
        <div>
          <dt>Minute said once</dt>
          <dd className={`verd ${ok ? 'ok' : 'no'}`}>
            <Icon of={ok ? Check : X} size={13} />
            {ok ? 'passed' : 'failed'}
          </dd>
        </div>
        <div>
          <dt>Attempts</dt>
          <dd>{count(attempts.length)} of 60</dd>
        </div>
        <div>
          <dt>Time</dt>
          <dd>{seconds(result.seconds * 1000)}</dd>
        </div>
        <div>
          <dt>Ran on</dt>
          <dd className="cut" title={ran}>
            {ran}
          </dd>
        </div>
      </dl>
      <ol className="thin" tabIndex={0} aria-label="Attempts">
        {attempts.map((attempt, i) => (
          <Attempt key={i} attempt={attempt} number={i + 1} />
        ))}
      </ol>
    </>
  )
}

function Attempt({ attempt, number }: { attempt: HaikuAttempt; number: number }) {
  return (
    <li className={attempt.ok ? 'hit' : ''} title={attempt.text}>
      <Icon of={attempt.ok ? Check : X} size={14} />
      <span>Attempt {number}</span>
      <span className="cut">{attempt.ok ? 'says it once' : (attempt.problem ?? '')}</span>
      <span>seed {attempt.seed}</span>
    </li>
  )
}
