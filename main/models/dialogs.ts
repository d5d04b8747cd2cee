import { dialog, type BrowserWindow } from 'electron'

/** The system's dialog for a model file; null where the person changed their mind. */
export async function pickModel(window: BrowserWindow | null, folder: string | null): Promise<string | null> {
  const options: Electron.OpenDialogOptions = {
    title: 'Open model',
    buttonLabel: 'Open model',
    properties: ['openFile'],
    filters: [
      { name: 'GGUF models', extensions: ['gguf'] },
      { name: 'All files', extensions: ['*'] },
    ],
    ...(folder ? { defaultPath: folder } : {}),
  }
  const { filePaths, canceled } = window
    ? await dialog.showOpenDialog(window, options)
    : await dialog.showOpenDialog(options)
  return canceled ? null : (filePaths[0] ?? null)
}
