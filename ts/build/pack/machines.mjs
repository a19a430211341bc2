// How a platform's Node is run on this machine: natively, or inside a root of its own, under the C library and the
// processor that it is made for. What cannot be run is said with the reason.

import { cpSync, existsSync, mkdtempSync } from 'node:fs'
import path from 'node:path'
import { host, platforms } from './platforms.mjs'
import { rootOf } from './install-roots.mjs'

const qemu = { arm64: '/usr/bin/qemu-aarch64-static', x64: '/usr/bin/qemu-x86_64-static' }

/**
 * `{ how, place, node, inside, slow }`: what is said, the folder to install into, the command before a program's path, how
 * a path of that folder is called inside, whether to do with little; or `{ cannot }`.
 */
export function machineOf(name, fresh) {
  if (name === host) return { how: 'natively', place: fresh(), node: [process.execPath], inside: file => file, slow: false }
  const { os, cpu, libc } = platforms[name]
  if (os !== process.platform) return { cannot: `no ${os} is at hand here: it is tried on a release runner` }
  const root = rootOf(name)
  if (!existsSync(root)) return { cannot: `${root} is not there: npm run pack:tools makes it` }
  if (process.getuid() !== 0) return { cannot: 'only root may change the root folder, in which it is tried' }
  const emulated = cpu !== process.arch
  if (emulated && !existsSync(qemu[cpu])) return { cannot: `${qemu[cpu]} is not there: apt-get install qemu-user-static` }
  if (emulated) cpSync(qemu[cpu], path.join(root, path.basename(qemu[cpu])))
  // One thread, and functions compiled when they are called: without, Node hangs under qemu.
  const node = emulated ? [`/${path.basename(qemu[cpu])}`, '/bin/node', '--single-threaded', '--max-lazy'] : ['/bin/node']
  return {
    how: [emulated && 'under qemu', libc === 'musl' && 'under the loader of musl'].filter(Boolean).join(', '),
    place: mkdtempSync(path.join(root, 'tmp/limbeck-')),
    node: ['/usr/sbin/chroot', root, ...node],
    inside: file => `/${path.relative(root, file)}`,
    slow: emulated,
  }
}
