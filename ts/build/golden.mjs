// `npm run golden -- DIR`: runs every case of a folder of golden files through the registry and the engine that distill uses.
// The folder of a file gives the kind of its cases; the native side reads everything else from the file.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { ready, root, stop } from './ready.mjs'

const kinds = ['losses', 'layers', 'optimizers', 'metrics']
const usage = 'usage: npm run golden -- DIR, a folder with losses, layers, optimizers or metrics, or one of these'
const folder = path.resolve(process.argv[2] ?? stop(usage))
if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) stop(`${folder}: expected a folder, got none. ${usage}`)

/** The folder's golden files, each with its kind. */
function* files(place) {
  const kind = kinds.find(kind => kind === path.basename(place))
  for (const name of readdirSync(place).sort()) {
    const inner = path.join(place, name)
    if (statSync(inner).isDirectory()) yield* files(inner)
    else if (kind !== undefined && name.endsWith('.json')) yield { file: inner, kind, name: `${kind}/${path.basename(name, '.json')}` }
  }
}

const all = [...files(folder)]
if (all.length === 0) stop(`${folder}: expected golden files, got none. ${usage}`)
ready()
const { golden } = createRequire(import.meta.url)(path.join(root, 'ts/native/binding.js'))
let passed = 0
const failed = []
const unknown = []
for (const { file, kind, name } of all) {
  try {
    const outcomes = JSON.parse(await golden(readFileSync(file, 'utf8'), kind))
    if (outcomes.length === 0) failed.push(`${name}: expected cases, got none`)
    // A name that is in no registry has no outcome.
    if (outcomes.some(({ ok }) => ok == null)) unknown.push(name)
    for (const { case: where, arithmetic, ok, message } of outcomes) {
      if (ok === true) passed++
      if (ok === false) failed.push(`${kind}/${where}, ${arithmetic}: ${message}`)
    }
  } catch (error) {
    failed.push(`${name}: ${error.message}`)
  }
}
for (const line of failed) console.log(`failed  ${line}`)
if (unknown.length > 0) console.log(`not known  ${unknown.join(', ')}`)
console.log(`${passed} passed, ${failed.length} failed, ${unknown.length} not known`)
process.exitCode = failed.length === 0 ? 0 : 1
