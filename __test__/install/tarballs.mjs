// The tarballs of this clone, as `npm publish` would upload them.

import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

/** Packs the root and this machine's platform package with the addon of this clone; returns the folder of the tarballs. */
export function tarballs(base) {
  const args = ['ts/build/pack/all.mjs', '--targets', 'host', '--binaries', 'ts/native', '--out', base]
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`packing ended with ${status}: ${stderr}`)
  return path.join(base, 'tarballs')
}
