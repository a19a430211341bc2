// `npm run golden -- DIR`: every case of a folder of golden files, through the registry and the engine that distill uses.
// Knows no case names: the folder's parts say what kind they are, the native side knows the rest.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { createRequire } from 'node:module'
import { ready, root, stop } from './ready.mjs'

const kinds = ['losses', 'layers', 'optimizers', 'metrics']
const folder = process.argv[2] ?? stop('usage: npm run golden -- DIR, a folder with losses, layers, optimizers or metrics')

function* files(place) {
  for (const name of readdirSync(place).sort()) {
    const inner = path.join(place, name)
    if (statSync(inner).isDirectory()) yield* files(inner)
    else if (name.endsWith('.json')) yield inner
  }
}

ready()
const { golden } = createRequire(import.meta.url)(path.join(root, 'ts/native/binding.js'))
const passed = []
const failed = []
const unknown = []
for (const file of files(path.resolve(folder))) {
  const parts = path.resolve(file).split(path.sep)
  const kind = kinds.find(kind => parts.includes(kind))
  if (kind === undefined) continue
  const name = path.basename(file, '.json')
  try {
    for (const result of JSON.parse(await golden(readFileSync(file, 'utf8'), kind))) {
      const { case: number, precision, isa, ok, message } = result ?? { ok: null }
      const place = `${kind}/${name} ${number ?? ''} ${precision ?? ''} ${isa ?? ''}`.trimEnd()
      if (ok === null) unknown.push(`${kind}/${name}`)
      else if (ok) passed.push(place)
      else failed.push(`${place}: ${message}`)
    }
  } catch (error) {
    failed.push(`${kind}/${name}: ${error.message}`)
  }
}
for (const line of failed) console.log(`failed  ${line}`)
for (const line of unknown) console.log(`not known  ${line}`)
console.log(`${passed.length} passed, ${failed.length} failed, ${unknown.length} not known`)
process.exitCode = failed.length === 0 ? 0 : 1
