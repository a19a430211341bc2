// `npm run pack:tools`: installs the tools that build and test the four Linux platforms into .tools, with the ordinary clients of
// PyPI, crates.io, npm and Debian. A step is skipped if its result exists.

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
// If rustup cannot fetch the libraries of other targets, they are built from the source in Debian's compiler.
const debian = ['rustc-web', 'rust-web-src', 'qemu-user-static']
if (existsSync('/usr/bin/apt-get') && process.getuid() === 0 && !existsSync('/usr/bin/qemu-aarch64-static')) {
  run('apt-get', ['update', '-qq'])
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...debian])
}
installRoots(python)
console.log(`${folder}  zig and cargo-zigbuild for builds, roots for tests of the platforms`)
