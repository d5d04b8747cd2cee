import './setup.ts'
import './ui/index.css'
import { createRoot } from 'react-dom/client'
import { CSPProvider } from '@base-ui/react/csp-provider'
import { App } from './app/App.tsx'
import { boot } from './app/boot.ts'
import { insertAtOnce } from './ui/insert-at-once.ts'

// Text is laid out once, in the faces that it keeps; they come from the disk, with the page.
const FACES = ['1em "Inter Variable"', '1em "JetBrains Mono Variable"', '1em "Spectral"']
await Promise.allSettled(FACES.map((face) => document.fonts.load(face)))

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <CSPProvider disableStyleElements>
      <App />
    </CSPProvider>,
  )
}
window.addEventListener('beforeinput', insertAtOnce)
void boot()
