// Bundles the code for publishing. The facade is one file, since importing forty files takes four times as long. The command line
// is another file, which contains the npm packages that it uses, so that the published root has no dependency. Comments and
// indentation are removed: the types contain the documentation. Lines are kept: Node prints the line that threw an uncaught error.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { rolldown } from 'rolldown'
import { root, stop } from '../ready.mjs'

const dist = path.join(root, 'dist')
const commands = path.join(dist, 'cli')
const isFacade = module => module.startsWith(dist) && !module.startsWith(commands)

/**
 * Fills `folder`, the package's `dist`; returns the packages whose code is in it. The facade is two folders deep, like the file
 * that reads the version from package.json.
 */
export async function bundle(folder) {
  const input = { index: path.join(dist, 'index.js'), 'cli/main': path.join(commands, 'main.js') }
  const made = await rolldown({ input, platform: 'node', external: ['#native'], logLevel: 'warn' })
  const { output } = await made.write({
    dir: folder,
    format: 'es',
    comments: false,
    // Names are kept, because they are in the stacks that users send.
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

/** The name and version of a package, and the name and text of its licence. */
function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry))
  if (!license || file === undefined) stop(`${name}: expected a licence and its text, since the command line bundles the package, got none.`)
  return { name, version, license, text: readFileSync(path.join(folder, file), 'utf8').trim() }
}
