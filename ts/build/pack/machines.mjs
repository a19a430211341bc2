// The ways to run the Node of a platform on this machine: natively, or in a root folder with the C library of the platform, under
// an emulated processor if necessary. If a platform cannot be run, the reason is given.

import { cpSync, existsSync, mkdtempSync } from 'node:fs'
import path from 'node:path'
import { host, platforms } from './platforms.mjs'
import { rootOf } from './install-roots.mjs'

const qemu = { arm64: '/usr/bin/qemu-aarch64-static', x64: '/usr/bin/qemu-x86_64-static' }

// One thread, and functions are compiled when they are called: otherwise Node hangs under qemu.
const calm = ['--single-threaded', '--max-lazy']

/**
 * The ways to test a platform here. Each is `{ how, node, place, inside, slow }`: a description, the command before a program's
 * path, a folder to install into, the translation of a path to the path inside the root, and whether to run only a few tests; or
 * `{ cannot }`, the reason. `fresh` makes a folder.
 */
export function machinesOf(name, fresh) {
  if (name !== host) return [elsewhere(name)]
  const natively = { how: 'natively', node: [process.execPath], place: fresh(), inside: file => file, slow: false }
  return platforms[name].cpu === 'x64' && process.platform === 'linux' ? [natively, withoutAvx2(fresh)] : [natively]
}

function withoutAvx2(fresh) {
  const how = 'on a processor without AVX2 (qemu, Westmere)'
  if (!existsSync(qemu.x64)) return { cannot: `${how}: ${qemu.x64} is missing: apt-get install qemu-user-static` }
  const node = [qemu.x64, '-cpu', 'Westmere', process.execPath, ...calm]
  return { how, node, place: fresh(), inside: file => file, slow: true }
}

function elsewhere(name) {
  const { os, cpu, libc } = platforms[name]
  if (os !== process.platform) return { cannot: `this machine does not run ${os}: a release runner tests it` }
  const root = rootOf(name)
  if (!existsSync(root)) return { cannot: `${root} is missing: npm run pack:tools makes it` }
  if (process.getuid() !== 0) return { cannot: 'only root may change the root folder for the test' }
  const emulated = cpu !== process.arch
  if (emulated && !existsSync(qemu[cpu])) return { cannot: `${qemu[cpu]} is missing: apt-get install qemu-user-static` }
  if (emulated) cpSync(qemu[cpu], path.join(root, path.basename(qemu[cpu])))
  const node = emulated ? [`/${path.basename(qemu[cpu])}`, '/bin/node', ...calm] : ['/bin/node']
  return {
    how: [emulated && 'under qemu', libc === 'musl' && 'under the loader of musl'].filter(Boolean).join(', '),
    node: ['/usr/sbin/chroot', root, ...node],
    place: mkdtempSync(path.join(root, 'tmp/limbeck-')),
    inside: file => `/${path.relative(root, file)}`,
    slow: emulated,
  }
}
