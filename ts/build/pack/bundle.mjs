// The command line in one file: what it uses of npm is bundled, so the published root depends on nothing. The facade is
// left where it is: what the command line imports is what a program imports.

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { rolldown } from 'rolldown'
import { root, stop } from '../ready.mjs'

const dist = path.join(root, 'dist')
const commands = path.join(dist, 'cli')

/** Keeps the facade's modules outside, at the path that they have beside the bundle. */
const facade = {
  name: 'facade',
  resolveId(source, importer) {
    if (!source.startsWith('.') || importer === undefined) return null
    const file = path.resolve(path.dirname(importer), source)
    if (!file.startsWith(dist) || file.startsWith(commands)) return null
    return { id: path.relative(commands, file).replaceAll(path.sep, '/'), external: true }
  },
}

/** Writes `file`; gives the packages whose code is inside. */
export async function bundleCommandLine(file) {
  const bundle = await rolldown({ input: path.join(commands, 'main.js'), platform: 'node', plugins: [facade], logLevel: 'warn' })
  const { output } = await bundle.write({ file, format: 'es', codeSplitting: false })
  await bundle.close()
  const inside = output.flatMap(chunk => Object.keys(chunk.modules ?? {}))
  const folders = inside.map(packageFolder).filter(folder => folder !== undefined)
  return [...new Set(folders)].sort().map(licenceOf)
}

function packageFolder(module) {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(module)?.[0]
}

/** Name, version, the licence's name and its text. */
function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry))
  if (!license || file === undefined) {
    stop(`${name}: expected a licence and its text in the package that the command line takes along, got none.`)
  }
  return { name, version, license, text: readFileSync(path.join(folder, file), 'utf8').trim() }
}
