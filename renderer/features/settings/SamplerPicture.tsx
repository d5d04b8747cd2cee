import { useKigo } from '../../app/store.ts'
import { CHAT_SETTINGS_DEFAULTS } from '../../../contract/sampling.ts'
import { percent } from '../../ui/format.ts'
import { SAMPLE, sampled } from './sampler.ts'

const before = SAMPLE.map(([, p]) => p)

/** The real chain on a fixed distribution: outline before, solid after, dashed and struck what is cut. */
export function SamplerPicture() {
  const settings = useKigo((state) => state.info?.chatSettings ?? CHAT_SETTINGS_DEFAULTS)
  const after = sampled(before, settings)
  const top = Math.max(...before, ...after.map((p) => p ?? 0))
  return (
    <>
      <p className="meta mb-1.5">After “frost on the”, these settings leave:</p>
      <ol className="dist" aria-label="What the samplers do to a sample distribution">
        {SAMPLE.map(([token, p], i) => {
          const q = after[i] ?? null
          return (
            <li key={token} className={q === null ? 'off' : ''}>
              <span className="tk">{token}</span>
              <span className="pair">
                <i className="raw" style={{ width: percent(p / top) }} />
                <i className="now" style={{ width: percent((q ?? 0) / top) }} />
              </span>
              <span className="pc">{q === null ? 'cut' : share(q)}</span>
            </li>
          )
        })}
      </ol>
    </>
  )
}

const share = (p: number): string => `${(p * 100).toFixed(p < 0.0995 ? 1 : 0)} %`
