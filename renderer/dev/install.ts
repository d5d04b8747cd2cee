/** `?scene=streaming&theme=dark&season=autumn` picks what the page starts from. Only the harness loads this. */
import { fakeBridge } from './fake.ts'
import { scene } from './scenes.ts'

Object.defineProperty(window, 'kigo', { value: fakeBridge(scene(new URLSearchParams(location.search))) })
