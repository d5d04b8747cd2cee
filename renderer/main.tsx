import './setup.ts'
import './ui/index.css'
import { createRoot } from 'react-dom/client'
import { CSPProvider } from '@base-ui/react/csp-provider'
import { App } from './app/App.tsx'
import { boot } from './app/boot.ts'

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <CSPProvider disableStyleElements>
      <App />
    </CSPProvider>,
  )
}
void boot()
