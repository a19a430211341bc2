// Finds the tools that build the published binaries; a missing tool is reported in one sentence with its remedy.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { root, stop } from '../ready.mjs'
import { platforms } from './platforms.mjs'

/** The folder that `npm run pack:tools` installs into: LIMBECK_TOOLS, or .tools, which is not in git. */
export const folder = process.env.LIMBECK_TOOLS ?? path.join(root, '.tools')

/** The path of a program: in this folder, or else the first one on the PATH. */
export function find(name) {
  const places = [path.join(folder, 'bin'), ...(process.env.PATH ?? '').split(path.delimiter)]
  return places.map(place => path.join(place, name)).find(file => existsSync(file))
}

const needed = (name, why, remedy) => find(name) ?? stop(`${name} was not found, and ${why}: ${remedy}.`)

/** The environment and arguments of `cargo zigbuild` for a platform. */
export function toolsFor(name) {
  const { target, glibc, libc } = platforms[name]
  const zig = needed('zig', `${name} is linked with it`, 'npm run pack:tools installs it into .tools (the wheel ziglang of PyPI)')
  needed('cargo-zigbuild', `${name} is built with it`, 'npm run pack:tools installs it into .tools (cargo install cargo-zigbuild)')
  const env = { CARGO_ZIGBUILD_ZIG_PATH: zig, PATH: `${path.join(folder, 'bin')}${path.delimiter}${process.env.PATH}` }
  const args = ['--target', glibc ? `${target}.${glibc}` : target]
  const flags = libc === 'musl' ? ['-Ctarget-feature=-crt-static'] : []
  if (installed('rustc', target)) return { env, args, flags, sysroot: sysroot('rustc') }
  const rustc = withSource(name, target)
  // The standard library is compiled too; a stable compiler needs RUSTC_BOOTSTRAP for that.
  return { env: { ...env, RUSTC: rustc, RUSTC_BOOTSTRAP: '1' }, args: ['-Zbuild-std=std,panic_unwind', ...args], flags, sysroot: sysroot(rustc) }
}

function sysroot(rustc) {
  const { stdout } = spawnSync(rustc, ['--print', 'sysroot'], { encoding: 'utf8', cwd: root })
  return (stdout ?? '').trim()
}

const installed = (rustc, target) => existsSync(path.join(sysroot(rustc), 'lib/rustlib', target, 'lib'))
const source = rustc => existsSync(path.join(sysroot(rustc), 'lib/rustlib/src/rust/library/Cargo.lock'))

/** A compiler that has the source of its library: the one in use, or else Debian's. */
function withSource(name, target) {
  for (const rustc of ['rustc', '/usr/bin/rustc']) if (source(rustc)) return rustc
  const debian = 'or, on Debian, apt-get install rustc-web rust-web-src'
  return stop(`Rust's library for ${target} was not found, and ${name} needs it: rustup target add ${target}, ${debian}.`)
}
