/**
 * Finds the file of the native side for this platform, and checks it before it is loaded.
 *
 * The system does not refuse a truncated library: it maps the file, and a signal ends the process at the first missing page.
 * So the header is read first: it gives the platform and the length that the file must have.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { Native } from './contract.js'

const require = createRequire(import.meta.url)

/** The platforms that have a package. The loader contains further names, for which no package exists. */
export const published: readonly string[] = [
  'linux-x64-gnu',
  'linux-arm64-gnu',
  'linux-x64-musl',
  'linux-arm64-musl',
  'darwin-arm64',
  'darwin-x64',
  'win32-x64-msvc',
]

/** The loader's name for this platform. */
export function platformName(): string {
  const { platform, arch } = process
  if (platform === 'win32') return `win32-${arch}-msvc`
  return platform === 'linux' ? `linux-${arch}-${usesMusl() ? 'musl' : 'gnu'}` : `${platform}-${arch}`
}

/** Uses the same test as the loader. */
function usesMusl(): boolean {
  try {
    return readFileSync('/usr/bin/ldd', 'utf8').includes('musl')
  } catch {
    // A report with network connections resolves their host names, which may take long.
    Object.assign(process.report, { excludeNetwork: true })
    const { header, sharedObjects } = process.report.getReport() as { header?: { glibcVersionRuntime?: string }; sharedObjects?: string[] }
    if (header?.glibcVersionRuntime !== undefined) return false
    return sharedObjects?.some(file => file.includes('libc.musl-') || file.includes('ld-musl-')) ?? false
  }
}

/** The file that the loader will load first, or undefined. */
export function binaryFile(platform: string, loader: string): string | undefined {
  const set = process.env['NAPI_RS_NATIVE_LIBRARY_PATH']
  if (set) return path.resolve(set)
  const { resolve } = createRequire(loader)
  for (const place of [`./limbeck.${platform}.node`, `@limbeck/binding-${platform}`]) {
    try {
      return resolve(place)
    } catch {
      // The next place.
    }
  }
  return undefined
}

/** The file that this binding was loaded from. An application may have other addons too. */
export function loadedFile({ nativeVersion }: Pick<Native, 'nativeVersion'>): string | undefined {
  return Object.keys(require.cache).find(file => file.endsWith('.node') && exportsOf(file)?.nativeVersion === nativeVersion)
}

function exportsOf(file: string): Partial<Native> | undefined {
  return require.cache[file]?.exports as Partial<Native> | undefined
}

/** A fault, in one word and in one sentence. `remedy` is set if a new install does not help. */
export interface Fault {
  reason: 'missing' | 'foreign' | 'damaged' | 'unreadable' | 'noexec' | 'permission' | 'system'
  text: string
  remedy?: string
}

/** The reason why a file cannot be the native side of this platform, or undefined. */
export function faultOf(file: string): Fault | undefined {
  let opened: number
  try {
    opened = openSync(file, 'r')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return { reason: 'missing', text: `there is no file ${file}` }
    const remedy = 'let this process read it; with --permission, name its folder in --allow-fs-read'
    return { reason: 'unreadable', text: `${file} cannot be read (${code ?? String(error)})`, remedy }
  }
  try {
    const found = fstatSync(opened)
    if (!found.isFile()) return { reason: 'damaged', text: `${file} is damaged: expected a library, got no file` }
    const start = Buffer.alloc(64)
    const read = readSync(opened, start, 0, 64, 0)
    return faultOfHeader(file, start.subarray(0, read), found.size)
  } finally {
    closeSync(opened)
  }
}

/** e_machine of ELF. */
const machines: Record<number, string> = { 3: 'ia32', 40: 'arm', 62: 'x64', 183: 'arm64', 243: 'riscv64' }

function faultOfHeader(file: string, start: Buffer, size: number): Fault | undefined {
  const here = `${process.platform}-${process.arch}`
  const foreign = (made: string): Fault => ({ reason: 'foreign', text: `${file} is made for ${made}, and this is ${here}` })
  const damaged = (how: string): Fault => ({ reason: 'damaged', text: `${file} is damaged: ${how}` })
  const made = systemOf(start)
  if (made === undefined) return damaged(`expected a library, got ${size} bytes of something else`)
  if (made !== process.platform) return foreign(made)
  if (made !== 'linux') return undefined
  if (start.length < 64) return damaged(`it has only ${size} bytes`)
  const machine = start.readUInt16LE(18)
  if (machines[machine] !== process.arch) return foreign(`linux-${machines[machine] ?? `processor ${machine}`}`)
  // The section header table is at the end of the file.
  const end = Number(start.readBigUInt64LE(40)) + start.readUInt16LE(58) * start.readUInt16LE(60)
  return end > size ? damaged(`expected at least ${end} bytes, got ${size}`) : undefined
}

function systemOf(start: Buffer): NodeJS.Platform | undefined {
  // Systems without a package use ELF too, and limbeck can be built on them from a clone.
  if (start.subarray(0, 4).toString('latin1') === '\x7fELF') return ['darwin', 'win32'].includes(process.platform) ? 'linux' : process.platform
  if (start.subarray(0, 2).toString('latin1') === 'MZ') return 'win32'
  return ['cffaedfe', 'cafebabe'].includes(start.subarray(0, 4).toString('hex')) ? 'darwin' : undefined
}
