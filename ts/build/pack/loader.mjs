// Makes the published loader from napi's: without the platforms that have no package, and without binaries in its own folder, where
// an old binary would be loaded instead of the right one.

import { stop } from '../ready.mjs'
import { packageOf, platforms } from './platforms.mjs'

const own = /\n *try \{\n *return require\('\.\/limbeck\.[\w-]+\.node'\)\n *\} catch \(e\) \{\n *loadErrors\.push\(e\)\n *\}/g
const packaged = /\n *try \{\n *const binding = require\('(@limbeck\/binding-[\w-]+)'\)\n[\s\S]*?\n *return binding\n *\} catch \(e\) \{\n *loadErrors\.push\(e\)\n *\}/g

/** `text` is what napi generated. */
export function publishedLoader(text) {
  const wanted = new Set(Object.keys(platforms).map(packageOf))
  const made = text
    .replace(own, '')
    .replace(packaged, (block, name) => (wanted.has(name) ? block : ''))
    .replace(/\n *\/\/.*/g, '')
  const named = new Set([...made.matchAll(/require\('(@limbeck\/binding-[\w-]+)'\)/g)].map(([, name]) => name))
  named.delete('@limbeck/binding-wasm32-wasi')
  if ([...named].sort().join() !== [...wanted].sort().join()) {
    stop(`packing: expected a loader of ${[...wanted].join(', ')}, got one of ${[...named].join(', ')}: the format of napi's loader has changed.`)
  }
  return made
}
