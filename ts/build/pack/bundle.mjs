// The code as it is published: the facade is one file, since forty cost four times the import, and the command line another,
// with what it uses of npm inside, so the published root depends on nothing. Comments and indentation stay behind: the types carry the
// documentation. Lines stay: Node prints the one that threw before an error that nobody caught.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { rolldown } from 'rolldown'
import { root, stop } from '../ready.mjs'

const dist = path.join(root, 'dist')
const commands = path.join(dist, 'cli')
const isFacade = module => module.startsWith(dist) && !module.startsWith(commands)

/**
 * Fills `folder`, the package's `dist`; gives the packages whose code is inside. The facade lies two folders deep, as the
 * file does that reads the version from package.json.
 */
export async function bundle(folder) {
  const input = { index: path.join(dist, 'index.js'), 'cli/main': path.join(commands, 'main.js') }
  const made = await rolldown({ input, platform: 'node', external: ['#native'], logLevel: 'warn' })
  const { output } = await made.write({
    dir: folder,
    format: 'es',
    comments: false,
    // Names stay: they stand in the stacks that users send.
    minify: false,
    chunkFileNames: 'native/[name].js',
    codeSplitting: { groups: [{ name: 'limbeck', test: isFacade }] },
  })
  await made.close()
  const names = output.map(({ fileName }) => fileName).sort()
  const expected = ['cli/main.js', 'index.js', 'native/limbeck.js']
  if (names.join() !== expected.join()) stop(`packing: expected the files ${expected.join(', ')}, got ${names.join(', ')}.`)
  const facade = output.find(({ fileName }) => fileName === 'native/limbeck.js')
  writeFileSync(path.join(folder, facade.fileName), facade.code.replace(/^\t+/gm, ''))
  const strange = Object.keys(facade.modules).filter(module => module.includes('/node_modules/'))
  if (strange.length > 0) stop(`packing: the facade imports ${strange.join(', ')}, and only the command line may use packages.`)
  const inside = output.flatMap(chunk => Object.keys(chunk.modules))
  const folders = inside.map(packageFolder).filter(found => found !== undefined)
  return [...new Set(folders)].sort().map(licenceOf)
}

function packageFolder(module) {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(module)?.[0]
}

/** Name, version, the licence's name and its text. */
function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry))
  if (!license || file === undefined) stop(`${name}: expected a licence and its text in the package that the command line takes along, got none.`)
  return { name, version, license, text: readFileSync(path.join(folder, file), 'utf8').trim() }
}
