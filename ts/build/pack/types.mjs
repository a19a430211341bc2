// Copies the published types: those that the entry imports, directly or indirectly, with their documentation.

import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { root } from '../ready.mjs'

const dist = path.join(root, 'dist')

/** Copies them into `folder`, which is the package's `dist`. */
export function copyTypes(folder) {
  for (const file of reached(path.join(dist, 'index.d.ts'))) cpSync(file, path.join(folder, path.relative(dist, file)))
  // The types of the binding are generated next to its sources; in the package they are next to the types that import them.
  const contract = path.join(folder, 'native/contract.d.ts')
  writeFileSync(contract, readFileSync(contract, 'utf8').replaceAll(`'#native'`, `'./binding.js'`))
  cpSync(path.join(root, 'ts/native/binding.d.ts'), path.join(folder, 'native/binding.d.ts'))
}

/** A file of types and all files that it imports, directly or indirectly. */
function reached(file, found = new Set()) {
  if (found.has(file)) return found
  found.add(file)
  for (const { fileName } of ts.preProcessFile(readFileSync(file, 'utf8')).importedFiles) {
    if (fileName.startsWith('.')) reached(path.resolve(path.dirname(file), fileName.replace(/\.js$/, '.d.ts')), found)
  }
  return found
}
