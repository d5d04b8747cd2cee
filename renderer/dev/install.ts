/** `?scene=streaming&theme=dark&season=autumn` picks what the page starts from. Only the harness loads this. */
import { fakeBridge } from './fake.ts'
import { scene } from './scenes.ts'

const start = scene(new URLSearchParams(location.search))
const first = start.conversations[0]
if (first) sessionStorage.setItem('kigo.conversation', first.id)
Object.defineProperty(window, 'kigo', { value: fakeBridge(start) })
// A test may hold what happens, and let it go on: `kigoScene.loadHolds = 0.5`.
Object.defineProperty(window, 'kigoScene', { value: start })
