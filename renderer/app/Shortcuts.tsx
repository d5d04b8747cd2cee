import { Dialog } from '@base-ui/react/dialog'
import { X } from 'lucide-react'
import { Icon } from '../ui/Icon.tsx'
import { modifier } from '../ui/key.ts'
import { set, useKigo } from './store.ts'

/** Only the keys of what exists. */
const GROUPS: [title: string, keys: [does: string, ...keys: string[]][]][] = [
  [
    'Writing',
    [
      ['Send', 'Enter'],
      ['New line', 'Shift', 'Enter'],
      ['Stop', 'Esc'],
    ],
  ],
  [
    'Moving',
    [
      ['New chat', modifier, 'N'],
      ['Open a model', modifier, 'O'],
      ['Sidebar', modifier, 'B'],
      ['Settings', modifier, ','],
      ['Next region', 'F6'],
      ['Previous region', 'Shift', 'F6'],
    ],
  ],
  [
    'In the conversation list',
    [
      ['Up and down', '↑', '↓'],
      ['To its button', '→'],
      ['Delete, with undo', modifier, 'Del'],
    ],
  ],
  [
    'Reading',
    [
      ['Turn by turn', '↑', '↓'],
      ['Find', modifier, 'F'],
      ['Jump to latest', modifier, 'End'],
      ['This sheet', modifier, '/'],
    ],
  ],
]

export function Shortcuts() {
  const open = useKigo((state) => state.shortcuts)
  return (
    <Dialog.Root open={open} onOpenChange={(shortcuts) => set({ shortcuts })}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog sheet-keys">
          <div className="row">
            <Dialog.Title className="t-head grow">Keyboard</Dialog.Title>
            <Dialog.Close className="tool" aria-label="Close the sheet">
              <Icon of={X} />
            </Dialog.Close>
          </div>
          <div className="cols">
            {GROUPS.map(([title, keys]) => (
              <div key={title}>
                <h3>{title}</h3>
                <ul>
                  {keys.map(([does, ...names]) => (
                    <li key={does}>
                      {does}
                      <span className="key">
                        {names.map((name) => (
                          <kbd key={name}>{name}</kbd>
                        ))}
                      </span>
                    </li>
                  ))}
                </ul>
              </div>
            ))}
          </div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
