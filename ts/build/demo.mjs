// `npm run demo` in a clone: sets everything up, then runs `limbeck demo`.

import { pathToFileURL } from 'node:url'
import path from 'node:path'
import { ready, root } from './ready.mjs'

ready()
const { runDemo } = await import(pathToFileURL(path.join(root, 'dist/cli/demo.js')).href)
const print = line => process.stdout.write(`${line}\n`)
await runDemo({ quick: process.argv.includes('--quick') }, print)
