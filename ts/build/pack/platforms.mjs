// The platforms that limbeck is published for: their names in Node and npm, and how they are compiled.

/**
 * `target` is rustc's name. `glibc` is the oldest C library that is supported. `machine` is the number of the processor in an
 * ELF file.
 */
export const platforms = {
  'linux-x64-gnu': { target: 'x86_64-unknown-linux-gnu', os: 'linux', cpu: 'x64', libc: 'glibc', glibc: '2.17', machine: 62 },
  'linux-arm64-gnu': { target: 'aarch64-unknown-linux-gnu', os: 'linux', cpu: 'arm64', libc: 'glibc', glibc: '2.17', machine: 183 },
  'linux-x64-musl': { target: 'x86_64-unknown-linux-musl', os: 'linux', cpu: 'x64', libc: 'musl', machine: 62 },
  'linux-arm64-musl': { target: 'aarch64-unknown-linux-musl', os: 'linux', cpu: 'arm64', libc: 'musl', machine: 183 },
  // Prepared for release runners; not compiled or tested yet.
  'darwin-arm64': { target: 'aarch64-apple-darwin', os: 'darwin', cpu: 'arm64' },
  'darwin-x64': { target: 'x86_64-apple-darwin', os: 'darwin', cpu: 'x64' },
  'win32-x64-msvc': { target: 'x86_64-pc-windows-msvc', os: 'win32', cpu: 'x64' },
}

export const linux = Object.keys(platforms).filter(name => platforms[name].os === 'linux')
export const host = hostPlatform()
export const packageOf = name => `@limbeck/binding-${name}`
export const binaryOf = name => `limbeck.${name}.node`

/** The platform that this process runs on. */
function hostPlatform() {
  const { platform, arch } = process
  if (platform === 'win32') return `win32-${arch}-msvc`
  if (platform !== 'linux') return `${platform}-${arch}`
  const glibc = process.report.getReport().header.glibcVersionRuntime
  return `linux-${arch}-${glibc ? 'gnu' : 'musl'}`
}

/** The largest sizes in bytes; packing fails if one is exceeded. */
export const limits = { facade: 420e3, commandLine: 2e6, platform: 25e6 }
