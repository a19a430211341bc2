// The platforms that limbeck is published for: what Node and npm call them, how they are compiled, where they were tried.

/**
 * `target` is rustc's name; `compiler` says whose standard library there is: `rustup` for an installed target, `source`
 * for one that is compiled along. `machine` is the number that an ELF file names its processor with.
 */
export const platforms = {
  'linux-x64-gnu': { target: 'x86_64-unknown-linux-gnu', os: 'linux', cpu: 'x64', libc: 'glibc', glibc: '2.17', machine: 62 },
  'linux-arm64-gnu': { target: 'aarch64-unknown-linux-gnu', os: 'linux', cpu: 'arm64', libc: 'glibc', glibc: '2.17', machine: 183 },
  'linux-x64-musl': { target: 'x86_64-unknown-linux-musl', os: 'linux', cpu: 'x64', libc: 'musl', machine: 62 },
  'linux-arm64-musl': { target: 'aarch64-unknown-linux-musl', os: 'linux', cpu: 'arm64', libc: 'musl', machine: 183 },
  // Prepared for release runners, compiled and tried nowhere yet.
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

/** Limits of addon size, in bytes, that packing refuses to exceed. */
export const limits = { facade: 360e3, commandLine: 2e6, platform: 25e6 }
