// `npm run pack:tools`: what the four Linux platforms are built and tried with, into .tools, by the ordinary clients of
// PyPI, crates.io, npm and Debian. Each step is skipped when what it makes is there.

import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { run } from '../ready.mjs'
import { installRoots } from './install-roots.mjs'
import { find, folder } from './tools.mjs'

const versions = { ziglang: '0.13.0', zigbuild: '0.24.1' }
const bin = path.join(folder, 'bin')
const python = path.join(folder, 'venv/bin/python')
mkdirSync(bin, { recursive: true })

if (!existsSync(python)) run('python3', ['-m', 'venv', path.join(folder, 'venv')])
if (find('zig') === undefined) {
  run(python, ['-m', 'pip', 'install', '--quiet', `ziglang==${versions.ziglang}`])
  writeFileSync(path.join(bin, 'zig'), `#!/bin/sh\nexec "${python}" -m ziglang "$@"\n`)
  chmodSync(path.join(bin, 'zig'), 0o755)
}
if (find('cargo-zigbuild') === undefined) {
  run('cargo', ['install', '--quiet', '--locked', '--root', folder, `cargo-zigbuild@${versions.zigbuild}`])
}
// Where rustup cannot fetch the libraries of other targets, Debian's compiler has their source.
const debian = ['rustc-web', 'rust-web-src', 'qemu-user-static']
if (existsSync('/usr/bin/apt-get') && process.getuid() === 0 && !existsSync('/usr/bin/qemu-aarch64-static')) {
  run('apt-get', ['update', '-qq'])
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...debian])
}
installRoots(python)
console.log(`${folder}  zig and cargo-zigbuild to build with, roots to try the platforms in`)
