import { useEffect, useState } from 'react'
import { notify, showCard } from './actions.ts'

const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false

/** A .gguf may be dropped anywhere on the window. While it hovers its name is not known, so none is shown. */
export function DropOverlay() {
  const [over, setOver] = useState(false)
  useEffect(() => {
    // Entering a child comes before leaving its parent: counting keeps the overlay still.
    let depth = 0
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return
      depth++
      setOver(true)
    }
    const leave = (event: DragEvent) => {
      if (!hasFiles(event)) return
      depth = Math.max(0, depth - 1)
      if (depth === 0) setOver(false)
    }
    const hover = (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy'
    }
    const dropped = (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      depth = 0
      setOver(false)
      open([...(event.dataTransfer?.files ?? [])])
    }
    // A drag sends no pointer events: where one comes, the drag ended in a way that was not told.
    const ended = () => {
      depth = 0
      setOver(false)
    }
    window.addEventListener('pointermove', ended)
    window.addEventListener('dragenter', enter)
    window.addEventListener('dragleave', leave)
    window.addEventListener('dragover', hover)
    window.addEventListener('drop', dropped)
    return () => {
      window.removeEventListener('pointermove', ended)
      window.removeEventListener('dragenter', enter)
      window.removeEventListener('dragleave', leave)
      window.removeEventListener('dragover', hover)
      window.removeEventListener('drop', dropped)
    }
  }, [])
  if (!over) return null
  return (
    <div className="over">
      <div>
        <p className="t-head">Drop to open the model</p>
        <p className="meta mt-1">The file stays where it is</p>
      </div>
    </div>
  )
}

function open(files: File[]): void {
  const file = files.find(({ name }) => name.toLowerCase().endsWith('.gguf')) ?? files[0]
  if (!file) return
  const path = window.kigo.pathForFile(file)
  if (path === '') {
    return notify({
      code: 'MODEL_UNREADABLE',
      message: `${file.name} has no path on this computer.`,
      hint: 'Save it to a folder first, then drop it from there.',
    })
  }
  showCard(path)
}
