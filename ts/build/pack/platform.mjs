// Stages a platform package for publishing: one binary, and a manifest with its platform.

import { copyFileSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root } from '../ready.mjs'
import { binaryOf, packageOf, platforms } from './platforms.mjs'
import { manifest } from './root.mjs'

/** Fills `folder` with the package of a platform; returns the size of its binary in bytes. */
export function stagePlatform(name, binary, folder) {
  const { version, license, engines, repository } = manifest()
  const { os, cpu, libc, glibc, target } = platforms[name]
  const main = binaryOf(name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const published = {
    name: packageOf(name),
    version,
    description: `The native side of limbeck for ${target}.`,
    license,
    ...(repository && { repository }),
    main,
    files: [main, 'THIRD-PARTY-LICENSES.txt'],
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    engines,
  }
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(published, null, 2)}\n`)
  const oldest = glibc ? ` It needs glibc ${glibc} or newer.` : ''
  writeFileSync(
    path.join(folder, 'README.md'),
    `# ${packageOf(name)}\n\nThe native side of [limbeck](https://www.npmjs.com/package/limbeck) for ${target}.${oldest} ` +
      'It is an optional dependency of `limbeck`, which loads it: install `limbeck`, not this package.\n',
  )
  copyFileSync(binary, path.join(folder, main))
  // The binary contains the code of its crates, so their licences are in the package.
  for (const text of ['LICENSE', 'THIRD-PARTY-LICENSES.txt']) {
    if (existsSync(path.join(root, text))) copyFileSync(path.join(root, text), path.join(folder, text))
  }
  return statSync(binary).size
}
