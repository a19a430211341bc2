/** Errors for a native binary that is missing or has another version, and the list of all error codes. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { errorCodes } from '../ts/index.js'
import { folder } from './support.js'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

interface Said {
  ours: boolean
  code: string
  message: string
  cause: boolean
  details: { reason?: string; package?: string; platform?: string }
}

/** Imports limbeck, then uses it, in a separate process. */
function use(cwd: string, { env = {}, flags = [], before = '' }: { env?: Record<string, string>; flags?: string[]; before?: string } = {}): Said {
  const program = `
    import { LimbeckError, memory } from 'limbeck'
    ${before}
    try { memory(); console.log('{}') } catch (error) {
      const { code, message, cause, details } = error
      console.log(JSON.stringify({ ours: error instanceof LimbeckError, code, message, cause: cause !== undefined, details }))
    }`
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', program], {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Said
}

const withBinding = (file: string) => use(root, { env: { NAPI_RS_NATIVE_LIBRARY_PATH: file } })

/** The package without its binary, as after an npm installation that skips the platform package. */
function installed(): { application: string; beside: string } {
  const application = folder()
  const place = path.join(application, 'node_modules/limbeck')
  for (const name of ['dist', 'package.json', 'ts/native/binding.js']) {
    cpSync(path.join(root, name), path.join(place, name), { recursive: true })
  }
  return { application, beside: path.join(place, 'ts/native') }
}

const binary = readdirSync(path.join(root, 'ts/native')).find(name => name.endsWith('.node'))!
const native = () => readFileSync(path.join(root, 'ts/native', binary))

test('a native binary of another version is rejected at its first use; the error names both versions and the remedy', () => {
  const file = path.join(folder(), 'old.cjs')
  writeFileSync(file, `exports.nativeVersion = () => '0.0.1'\n`)
  const { ours, code, message } = withBinding(file)
  expect([ours, code]).toEqual([true, 'ERR_LIMBECK_BINDING_VERSION'])
  expect(message).toMatch(/expected the native binding \d+\.\d+\.\d+, got 0\.0\.1; .*npm install limbeck@/)
})

test('the error names limbeck’s file even if the application has loaded other addons before', () => {
  const { application, beside } = installed()
  const manifest = path.join(application, 'node_modules/limbeck/package.json')
  writeFileSync(manifest, JSON.stringify({ ...JSON.parse(readFileSync(manifest, 'utf8')), version: '9.9.9' }))
  writeFileSync(path.join(beside, binary), native())
  const before = `
    const { createRequire } = await import('node:module')
    createRequire(import.meta.url).cache['/elsewhere/other.node'] = { exports: { nativeVersion: () => '1.2.3' } }`
  const { code, message } = use(application, { before })
  expect(code).toBe('ERR_LIMBECK_BINDING_VERSION')
  expect(message).toContain(` in ${path.join(realpathSync(beside), binary)};`)
})

test('the C library is detected without ldd and without network access', () => {
  const before = `
    const { default: fs } = await import('node:fs')
    const { syncBuiltinESMExports } = await import('node:module')
    const read = fs.readFileSync
    fs.readFileSync = (file, ...rest) => {
      if (file === '/usr/bin/ldd') throw new Error('ENOENT')
      return read(file, ...rest)
    }
    syncBuiltinESMExports()
    const report = process.report.getReport
    process.report.getReport = () => {
      if (!process.report.excludeNetwork) throw new Error('with its connections')
      return report.call(process.report)
    }`
  expect(use(root, { before })).toEqual({})
})

test('a native binary of this version without a function that the facade calls is rejected as stale, with the name of the function', () => {
  const file = path.join(folder(), 'stale.cjs')
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string }
  writeFileSync(file, `exports.nativeVersion = () => '${version}'\nexports.memory = () => '{}'\n`)
  const { ours, code, message } = withBinding(file)
  expect([ours, code]).toEqual([true, 'ERR_LIMBECK_BINDING_VERSION'])
  expect(message).toMatch(/is stale: it lacks NativeDataset, .*; in a clone: npm run build/)
})

test('a platform package that npm did not install is named, with npm’s known defect and the remedy', () => {
  const { code, message, details, cause } = use(installed().application)
  expect([code, details.reason, cause]).toEqual(['ERR_LIMBECK_BINDING_NOT_FOUND', 'missing', true])
  expect(details.package).toBe(`@limbeck/binding-${details.platform}`)
  expect(message).toContain(`the package ${details.package} is not installed`)
  expect(message).toMatch(/--omit=optional, or if the lockfile was made on another system\); remove node_modules and package-lock\.json/)
})

test('a binary for another processor or system is reported as foreign and is not loaded', () => {
  const other = native()
  other.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18)
  const { application, beside } = installed()
  writeFileSync(path.join(beside, binary), other)
  const found = use(application)
  expect([found.code, found.details.reason]).toEqual(['ERR_LIMBECK_BINDING_NOT_FOUND', 'foreign'])
  expect(found.message).toMatch(/is made for linux-(arm64|x64), and this is linux-(x64|arm64); remove node_modules/)
  writeFileSync(path.join(beside, binary), Buffer.concat([Buffer.from('MZ'), Buffer.alloc(200)]))
  expect(use(application).message).toMatch(/is made for win32, and this is linux/)
})

test('a truncated or overwritten binary is reported as damaged, because loading it would end the process by a signal', () => {
  const whole = native()
  const { application, beside } = installed()
  for (const [bytes, text] of [
    [whole.subarray(0, whole.length >> 1), /is damaged: expected at least \d+ bytes, got \d+; remove node_modules/],
    [whole.subarray(0, 30), /is damaged: it has only 30 bytes/],
    [Buffer.alloc(0), /is damaged: expected a library, got 0 bytes of something else/],
    [Buffer.from('<html>404</html>'), /is damaged: expected a library, got 16 bytes/],
  ] as const) {
    writeFileSync(path.join(beside, binary), bytes)
    const { code, message, details } = use(application)
    expect([code, details.reason]).toEqual(['ERR_LIMBECK_BINDING_NOT_FOUND', 'damaged'])
    expect(message).toMatch(text)
  }
  rmSync(path.join(beside, binary))
  mkdirSync(path.join(beside, binary))
  expect(withBinding(path.join(beside, binary))).toMatchObject({ ours: true, details: { reason: 'damaged' } })
})

test('on a system without a published package, a locally built binary is loaded', () => {
  const { application, beside } = installed()
  writeFileSync(path.join(beside, `limbeck.freebsd-x64.node`), native())
  const before = `Object.defineProperty(process, 'platform', { value: 'freebsd' }); Object.defineProperty(process, 'arch', { value: 'x64' })`
  expect(use(application, { before })).toEqual({})
})

test('the platform package is checked like the folder of the loader: for a damaged binary and for another version', () => {
  const { application } = installed()
  const platform = binary.split('.')[1]!
  const place = path.join(application, 'node_modules/@limbeck', `binding-${platform}`)
  mkdirSync(place, { recursive: true })
  const pack = (main: string, bytes: Uint8Array) => {
    writeFileSync(path.join(place, 'package.json'), JSON.stringify({ name: `@limbeck/binding-${platform}`, version: '0.0.1', main }))
    writeFileSync(path.join(place, main), bytes)
  }
  pack(binary, native().subarray(0, 1_000_000))
  expect(use(application).message).toMatch(/node_modules\/@limbeck\/binding-[\w-]+\/limbeck\.[\w-]+\.node is damaged/)
  pack('old.cjs', Buffer.from(`exports.nativeVersion = () => '0.0.1'\n`))
  const { code, message } = use(application)
  expect(code).toBe('ERR_LIMBECK_BINDING_VERSION')
  expect(message).toMatch(/expected the native binding \d+\.\d+\.\d+, got 0\.0\.1; install both at one version/)
})

test('in a process that may not load addons, the error names the flag to change', () => {
  const { code, message, details } = use(root, { flags: ['--no-addons'] })
  expect([code, details.reason]).toEqual(['ERR_LIMBECK_BINDING_NOT_FOUND', 'permission'])
  expect(message).toContain('with --permission, add --allow-addons')
})

test('a file system mounted with noexec is named as the cause', ({ skip }) => {
  const place = folder()
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'noexec', 'tmpfs', place]).status !== 0) return skip('nothing can be mounted here')
  try {
    const file = path.join(place, binary)
    writeFileSync(file, native())
    const { code, message, details } = withBinding(file)
    expect([code, details.reason]).toEqual(['ERR_LIMBECK_BINDING_NOT_FOUND', 'noexec'])
    expect(message).toContain('is on a file system that does not allow execution (mounted noexec); install limbeck on another file system')
  } finally {
    spawnSync('umount', [place])
  }
})

test('the binary loads from a read-only file system; writing there is a separate error', ({ skip }) => {
  const place = folder()
  if (spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', place]).status !== 0) return skip('nothing can be mounted here')
  try {
    writeFileSync(path.join(place, binary), native())
    spawnSync('mount', ['-o', 'remount,ro', place])
    const program = `
      import { Model } from 'limbeck'
      const model = Model.create({ mlp: { sizes: [2, 2] } }, { seed: 1 })
      await model.save(${JSON.stringify(path.join(place, 'student.safetensors'))}).catch(({ code, message }) => console.log(code, message))`
    const env = { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: path.join(place, binary) }
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: root, env, encoding: 'utf8' })
    expect(stdout, stderr).toMatch(/^ERR_LIMBECK_\w+ .*student\.safetensors.*[Rr]ead-only/)
  } finally {
    spawnSync('umount', [place])
  }
})

test('on a processor without AVX2 it works with plain loops, and doctor reports this', ({ skip }) => {
  const qemu = '/usr/bin/qemu-x86_64-static'
  if (process.arch !== 'x64' || !existsSync(qemu)) return skip('there is no qemu here: apt-get install qemu-user-static')
  const node = ['-cpu', 'Westmere', process.execPath, '--single-threaded', '--max-lazy']
  const { stdout, stderr } = spawnSync(qemu, [...node, path.join(root, 'dist/cli/main.js'), 'doctor'], { encoding: 'utf8' })
  expect(stdout, stderr).toMatch(/instructions +scalar\n/)
  expect(stdout).toMatch(/note +this processor has no AVX2: limbeck uses plain loops, which are several times slower\n/)
  expect(stdout).toMatch(/limbeck works here\n$/)
})

test('a native binary that fails for another reason is named, with the reason', () => {
  const file = path.join(folder(), 'broken.cjs')
  writeFileSync(file, `throw new Error('no such symbol')\n`)
  const found = withBinding(file)
  expect(found).toMatchObject({ ours: true, code: 'ERR_LIMBECK_BINDING_NOT_FOUND', cause: true, details: { reason: 'system' } })
  expect(found.message).toMatch(/no native binding for [\w-]+ could be loaded: .*broken\.cjs could not be loaded: no such symbol/)
})

test('the list of codes has the codes of the core and three of the facade', () => {
  const rust = readFileSync(path.join(root, 'crates/core/src/error.rs'), 'utf8')
  const core = [...rust.matchAll(/"(ERR_LIMBECK_\w+)"/g)].map(match => match[1]!)
  const own = ['ERR_LIMBECK_BINDING_NOT_FOUND', 'ERR_LIMBECK_BINDING_VERSION', 'ERR_LIMBECK_DEADLINE']
  expect([...new Set([...core, ...own])].sort()).toEqual([...errorCodes].sort())
})
