import { Leaf, SlidersHorizontal, FolderOpen, RotateCcw } from 'lucide-react'
import { useState } from 'react'
import { whereItRuns, type LoadedModel } from '../../../contract/model.ts'
import { loadModel, pickModel, runHaiku, writeSystemPrompt } from '../../app/actions.ts'
import { loadedModel, useKigo } from '../../app/store.ts'
import { Icon } from '../../ui/Icon.tsx'
import { key } from '../../ui/key.ts'
import { seasonLine } from '../../ui/season.ts'
import { Notices } from './Notices.tsx'

/** " on the CPU"; of several parts ", 18 of 32 layers on NVIDIA RTX 4070, the rest on the CPU". */
function placeOf({ inspection }: LoadedModel): string {
  const parts = inspection.memory?.parts ?? []
  if (parts.length > 1) return `, ${whereItRuns({ parts })}`
  return parts[0] ? ` on ${parts[0].device === 'cpu' ? 'the CPU' : parts[0].name}` : ''
}

/** A chat with nothing in it yet: the line of the half-month, what is ready, three things to do. */
export function EmptyChat() {
  const [today] = useState(() => new Date())
  const appearance = useKigo((state) => state.info?.appearance)
  const state = useKigo((state) => state.model)
  const model = useKigo(loadedModel)
  const mode = model?.inspection.chatTemplate.mode
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
          {state?.status === 'none' && state.lastPath !== null && (
            <li>
              <button onClick={() => state.lastPath !== null && void loadModel(state.lastPath)}>
                <Icon of={RotateCcw} />
                Load {state.lastName ?? 'the last model'} again
              </button>
            </li>
          )}
          {!model && (
            <li>
              <button onClick={() => void pickModel()}>
                <Icon of={FolderOpen} />
                Open a model<kbd>{key('O')}</kbd>
              </button>
            </li>
          )}
          <li>
            <button onClick={writeSystemPrompt}>
              <Icon of={SlidersHorizontal} />
              Set a system prompt<kbd>{key(',')}</kbd>
            </button>
          </li>
          {model && (
            <li>
              <button onClick={() => void runHaiku()}>
                <Icon of={Leaf} />
                Run the haiku test<span className="meta">checks the whole path</span>
              </button>
            </li>
          )}
        </ul>
      </div>
    </div>
  )
}
