// The facade as it is published: code without comments, since the types carry the documentation, and of the types those
// that the entry leads to.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { root } from '../ready.mjs'

const dist = path.join(root, 'dist')
const options = { removeComments: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }

/** Writes the facade into `folder`, which is the package's `dist`. */
export function writeFacade(folder) {
  const code = readdirSync(dist, { recursive: true }).filter(name => name.endsWith('.js') && !name.startsWith(`cli${path.sep}`))
  for (const name of code) write(name, ts.transpileModule(readFileSync(path.join(dist, name), 'utf8'), { compilerOptions: options }).outputText)
  for (const file of reached(path.join(dist, 'index.d.ts'))) write(path.relative(dist, file), readFileSync(file, 'utf8'))

  function write(name, text) {
    const file = path.join(folder, name)
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
}

/** A file of types and all that it imports, one after the other. */
function reached(file, found = new Set()) {
  if (found.has(file)) return found
  found.add(file)
  for (const { fileName } of ts.preProcessFile(readFileSync(file, 'utf8')).importedFiles) {
    if (fileName.startsWith('.')) reached(path.resolve(path.dirname(file), fileName.replace(/\.js$/, '.d.ts')), found)
  }
  return found
}
