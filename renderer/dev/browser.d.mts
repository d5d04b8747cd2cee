import type { Browser, BrowserContextOptions, LaunchOptions, Page } from 'playwright'

export function findChromium(): string | null
export function openBrowser(launch?: LaunchOptions): Promise<{
  browser: Browser
  open(query: string, size?: BrowserContextOptions & { width?: number; height?: number }): Promise<Page>
  close(): Promise<void>
}>
