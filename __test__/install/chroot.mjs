// In a minimal Debian with only Node and npm: runs the install line of the README, then its first program.

import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { cache, nodeOf } from './tools.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')

/** The base system; created once. */
function debian() {
  const place = path.join(cache, 'debian')
  if (existsSync(path.join(place, 'usr/bin/env')) && existsSync(path.join(place, 'complete'))) return place
  if (process.getuid?.() !== 0) throw new Error('needs root, for chroot')
  rmSync(place, { recursive: true, force: true })
  const { status, error, stderr } = spawnSync('debootstrap', ['--variant=minbase', 'bookworm', place], { encoding: 'utf8' })
  if (error) throw new Error(`needs debootstrap (apt-get install debootstrap): ${error.message}`)
  if (status !== 0) throw new Error(`debootstrap ended with ${status}: ${stderr}`)
  writeFileSync(path.join(place, 'complete'), '')
  return place
}

/** The first program of the README as JavaScript, without types and with generated data. */
function firstProgram() {
  const [, code] = /```ts\n([\s\S]*?)```/.exec(readFileSync(path.join(root, 'README.md'), 'utf8'))
  return code.replace("'./my-data.js'", "'./my-data.mjs'")
}

const data = `
export const labels = Uint8Array.from({ length: 200 }, (_, row) => row % 10)
export const pixels = Float32Array.from({ length: 200 * 784 }, (_, at) => (Math.floor((at % 784) / 78) === labels[Math.floor(at / 784)] ? 1 : 0))
`

/** Runs a shell line inside. Not `spawnSync`, because the registry runs in this process. */
function inside(place, line) {
  return new Promise((resolve, reject) => {
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/root' }
    const child = spawn('/usr/sbin/chroot', [place, '/bin/sh', '-euc', line], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    child.stdout.on('data', chunk => (text += chunk))
    child.stderr.on('data', chunk => (text += chunk))
    child.on('error', reject)
    child.on('close', code => (code === 0 ? resolve(text) : reject(new Error(`${line} ended with ${code}:\n${text}`))))
  })
}

export async function chroot(base, registry) {
  const place = path.join(base, 'debian')
  // With the device files, which Node's copy function does not support.
  if (spawnSync('cp', ['-a', debian(), place]).status !== 0) throw new Error('cp -a of the base system failed')
  const node = nodeOf('22')
  cpSync(node, path.join(place, 'usr/local/bin/node'))
  const npm = path.join(cache, 'npm/node_modules/npm')
  if (!existsSync(npm)) {
    mkdirSync(path.join(cache, 'npm'), { recursive: true })
    const { status, stderr } = spawnSync('npm', ['install', '--prefix', path.join(cache, 'npm'), 'npm@11'], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`npm could not be fetched: ${stderr}`)
  }
  cpSync(npm, path.join(place, 'usr/local/lib/npm'), { recursive: true })
  for (const name of ['npm', 'npx']) {
    const script = `#!/bin/sh\nexec node /usr/local/lib/npm/bin/${name}-cli.js "$@"\n`
    writeFileSync(path.join(place, 'usr/local/bin', name), script, { mode: 0o755 })
  }
  mkdirSync(path.join(place, 'root/app'))
  const app = path.join(place, 'root/app')
  writeFileSync(path.join(app, '.npmrc'), `registry=${registry.url}/\naudit=false\nfund=false\nupdate-notifier=false\nfetch-retries=0\n`)
  writeFileSync(path.join(app, 'package.json'), '{ "private": true, "type": "module" }\n')
  writeFileSync(path.join(app, 'my-data.mjs'), data)
  writeFileSync(path.join(app, 'first.mjs'), firstProgram())
  cpSync(path.join(root, '__test__/install/shared/journey.mjs'), path.join(app, 'journey.mjs'))
  const tools = await inside(place, 'for tool in cargo rustc gcc cc g++ make python python3 perl; do command -v $tool || true; done; ls /proc | head -1')
  const found = tools.trim().split('\n').filter(line => line !== '' && !line.endsWith('/perl'))
  if (found.length > 0) throw new Error(`expected a system without compilers, got ${found.join(', ')}`)
  const asked = registry.forwarded.length
  const installed = await inside(place, 'cd /root/app && npm install limbeck')
  const beyond = registry.forwarded.slice(asked)
  if (beyond.length > 0) throw new Error(`expected an install from our tarballs alone, got requests for ${beyond.join(', ')}`)
  await inside(place, 'cd /root/app && node first.mjs')
  const doctor = await inside(place, 'cd /root/app && npx limbeck doctor')
  const answer = await inside(place, `cd /root/app && node -e "import('./journey.mjs').then(({ journey }) => journey()).then(console.log)"`)
  return `${answer.trim()} (${installed.trim().split('\n')[0]}; ${doctor.match(/^binary.*/m)?.[0].replace(/ +/, ' ') ?? 'doctor runs'})`
}
