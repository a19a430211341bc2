/** Loads the native side at its first use, so that importing limbeck never fails and costs next to nothing. */
import { createRequire } from 'node:module'
import { LimbeckError } from '../errors.js'
import type { Native } from './contract.js'

const require = createRequire(import.meta.url)
let loaded: Native | undefined

/** The native side, loaded once in each thread. */
export function native(): Native {
  return (loaded ??= load())
}

function load(): Native {
  const found = bind()
  const wanted = (require('../../package.json') as { version: string }).version
  const version = found.nativeVersion()
  if (version === wanted) return found
  const message = `expected the native binding ${wanted}, got ${version}; install both at one version: npm install limbeck@${wanted}`
  throw new LimbeckError('ERR_LIMBECK_BINDING_VERSION', '#native', message, { wanted, version })
}

function bind(): Native {
  try {
    return require('#native') as Native
  } catch (cause) {
    const { platform, arch } = process
    const message =
      `no native binding for ${platform}-${arch} could be loaded. In a clone: npm run build. ` +
      'Installed: remove node_modules and package-lock.json and run npm install on this system, ' +
      'with optional dependencies (a lockfile made on another system may lack them)'
    throw new LimbeckError('ERR_LIMBECK_BINDING_NOT_FOUND', '#native', message, { cause, platform, arch })
  }
}
