/** Runs in the copy of the checkout that scripts/mutate.mjs has made: what is built and fetched is the checkout's. */
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'

for (const name of ['dist', '.cache']) symlinkSync(join(process.env.KIGO_CHECKOUT, name), name, 'junction')
