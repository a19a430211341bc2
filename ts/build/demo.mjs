// `npm run demo` in a clone: sets everything up, then runs `limbeck demo`.

import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { ready, root } from './ready.mjs'

ready()
process.argv.splice(2, 0, 'demo')
await import(pathToFileURL(path.join(root, 'dist/cli/main.js')).href)
