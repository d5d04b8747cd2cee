import { SlidersHorizontal, FolderOpen, RotateCcw } from 'lucide-react'
import { useState } from 'react'
import { whereItRuns, type LoadedModel } from '../../../contract/model.ts'
import { pickModel, writeStarter, writeSystemPrompt } from '../../app/actions.ts'
import { lastModel, loadedModel, useKigo } from '../../app/store.ts'
import { Icon } from '../../ui/Icon.tsx'
import { key } from '../../ui/key.ts'
import { seasonLine } from '../../ui/season.ts'
import { LoadAgain } from './LoadAgain.tsx'
import { Notices } from './Notices.tsx'

/** " on the CPU"; of several parts ", 18 of 32 layers on NVIDIA RTX 4070, the rest on the CPU". */
function placeOf({ inspection }: LoadedModel): string {
  const parts = inspection.memory?.parts ?? []
  if (parts.length > 1) return `, ${whereItRuns({ parts })}`
  return parts[0] ? ` on ${parts[0].device === 'cpu' ? 'the CPU' : parts[0].name}` : ''
}

/** A chat with nothing in it yet: the line of the half-month, what is ready, three lines to begin with. */
export function EmptyChat() {
  const [today] = useState(() => new Date())
  const appearance = useKigo((state) => state.info?.appearance)
  const model = useKigo(loadedModel)
  const mode = model?.inspection.chatTemplate.mode
  const lines = STARTERS[mode === 'completion' ? 'goOn' : 'answer']
  const known = useKigo((state) => state.shown !== null)
  // A start with a model: what is over in a moment is not shown.
  if (!known) return <div className="scroll bottom thin" data-region="content" />
  return (
    <div className="scroll bottom thin" data-region="content">
      <div className="col start">
        <Notices />
        {appearance && appearance.season !== 'off' && (
          <p className="season">{seasonLine(today, appearance.hemisphere)}</p>
        )}
        <p className="meta mt-0.5">
          {model ? `${model.inspection.name} is ready${placeOf(model)}. ` : ''}
          Nothing you write leaves this computer.
        </p>
        {mode === 'completion' && (
          <p className="meta">
            This is a base model without a chat template: it completes text rather than answering.
          </p>
        )}
        {mode === 'chatml' && (
          <p className="meta">
            Its chat template {model?.inspection.chatTemplate.present ? 'cannot be used' : 'is missing'}, so
            Kigo uses ChatML in its place.
          </p>
        )}
        <ul>
          {!model && <Models />}
          {lines.map((words) => (
            <li key={words}>
              <button onClick={() => writeStarter(words, lines)}>{words}</button>
            </li>
          ))}
          {model && (
            <li>
              <button onClick={writeSystemPrompt}>
                <Icon of={SlidersHorizontal} />
                Set a system prompt<kbd>{key(',')}</kbd>
              </button>
            </li>
          )}
        </ul>
      </div>
    </div>
  )
}

/** Without a model: the one of last time, or another one. */
function Models() {
  const last = useKigo((state) => lastModel(state) !== null)
  return (
    <>
      {last && (
        <li>
          <LoadAgain>
            <Icon of={RotateCcw} />
          </LoadAgain>
        </li>
      )}
      <li>
        <button onClick={() => void pickModel()}>
          <Icon of={FolderOpen} />
          Open a model<kbd>{key('O')}</kbd>
        </button>
      </li>
    </>
  )
}

/** What one may begin with: a base model goes on with a text, the others answer. */
const STARTERS = {
  answer: [
    'Explain in three sentences why the sky is blue.',
    'Write a short, friendly note to a neighbour about a noisy party.',
    'Give me five ideas for a rainy afternoon.',
  ],
  goOn: [
    'Once upon a time, in a village by the sea,',
    'Three good reasons to learn to cook: first,',
    'Dear neighbour, thank you for',
  ],
}
