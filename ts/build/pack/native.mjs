// Builds the published binary of one platform: with the profile `dist`, linked by zig with the oldest C library that we promise, and
// without paths of this machine.

import { copyFileSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { checkCargo, root, run } from '../ready.mjs'
import { binaryOf, platforms } from './platforms.mjs'
import { toolsFor } from './tools.mjs'

/** Compiles the addon for a platform into `folder`; returns the file. */
export function buildFor(name, folder) {
  checkCargo()
  const { env, args, flags, sysroot } = toolsFor(name)
  const cargo = process.env.CARGO_HOME ?? path.join(homedir(), '.cargo')
  // Panics and debug texts contain paths of source files, so the folders of this machine are replaced.
  const moved = { [root]: '/limbeck', [cargo]: '/cargo', [path.join(sysroot, 'lib/rustlib/src/rust')]: '/rust', '/usr/src': '/rust' }
  const remap = Object.entries(moved).map(([from, to]) => `--remap-path-prefix=${from}=${to}`)
  // A worker that ends must not unload the library while our threads run.
  const rustflags = [...flags, ...remap, '-Clink-arg=-Wl,-z,nodelete']
  const target = path.join(root, 'target/packages')
  const built = ['--package', 'limbeck-node', '--profile', 'dist', '--target-dir', target, '--locked']
  console.error(`building ${name}: some minutes`)
  run('cargo', ['zigbuild', ...built, ...args], {
    env: { ...process.env, ...env, CARGO_ENCODED_RUSTFLAGS: rustflags.join('\x1f') },
  })
  mkdirSync(folder, { recursive: true })
  const file = path.join(folder, binaryOf(name))
  copyFileSync(path.join(target, platforms[name].target, 'dist/liblimbeck_node.so'), file)
  return file
}
