/** Loads the native side at its first use, so that importing limbeck never fails and costs next to nothing. */
import { createRequire } from 'node:module'
import { LimbeckError } from '../errors.js'
import { binaryFile, faultOf, loadedFile, platformName, published, type Fault } from './binary.js'
import { exported, type Native } from './contract.js'

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
  const file = loadedFile(found)
  const place = file === undefined ? '' : ` in ${file}`
  if (version !== wanted) {
    const message = `expected the native binding ${wanted}, got ${version}${place}; install both at one version: npm install limbeck@${wanted}`
    throw new LimbeckError('ERR_LIMBECK_BINDING_VERSION', '#native', message, { wanted, version, file })
  }
  const lacking = exported.filter(name => typeof found[name] !== 'function')
  if (lacking.length === 0) return found
  const remedy = `in a clone: npm run build; installed: npm install limbeck@${wanted}`
  const message = `the native binding ${version}${place} is stale: it lacks ${lacking.join(', ')}; ${remedy}`
  throw new LimbeckError('ERR_LIMBECK_BINDING_VERSION', '#native', message, { wanted, version, file, lacking })
}

const again = 'remove node_modules and package-lock.json and run npm install on this system'

function bind(): Native {
  const platform = platformName()
  const file = binaryFile(platform, require.resolve('#native'))
  const fault = file?.endsWith('.node') ? faultOf(file) : undefined
  if (fault !== undefined) throw notFound(platform, file, fault)
  try {
    return require('#native') as Native
  } catch (cause) {
    throw notFound(platform, file, file === undefined ? { reason: 'missing', text: '' } : refusal(file, cause), cause)
  }
}

/** The reason why the system could not load a file that passed the checks. */
function refusal(file: string, error: unknown): Fault {
  const texts: string[] = []
  for (let cause = error; cause instanceof Error; cause = cause.cause) texts.push(cause.message)
  const said = texts.find(text => text.includes(file)) ?? texts.findLast(text => !text.startsWith('Cannot find module')) ?? ''
  const old = /GLIBC_[\d.]+' not found/.exec(texts.join('\n'))
  if (old) return { reason: 'system', text: `${file} needs a newer C library than this system has`, remedy: 'limbeck requires glibc 2.17 or newer' }
  if (/failed to map segment|Operation not permitted/.test(said)) {
    const text = `${file} is on a file system that does not allow execution (mounted noexec)`
    return { reason: 'noexec', text, remedy: 'install limbeck on another file system, or mount this one with exec' }
  }
  if (texts.some(text => text.includes('loading addons is disabled'))) {
    return { reason: 'permission', text: 'node was started with options that forbid addons', remedy: 'with --permission, add --allow-addons; remove --no-addons' }
  }
  return { reason: 'system', text: `${file} could not be loaded: ${said.split('\n')[0]}` }
}

function notFound(platform: string, file: string | undefined, fault: Fault, cause?: unknown): LimbeckError {
  const name = `@limbeck/binding-${platform}`
  const said = sentence()
  const message = `no native binding for ${platform} could be loaded: ${said}. In a clone: npm run build`
  return new LimbeckError('ERR_LIMBECK_BINDING_NOT_FOUND', '#native', message, { cause, reason: fault.reason, platform, package: name, file })

  function sentence(): string {
    if (!published.includes(platform) && fault.reason === 'missing') return `limbeck is published for ${published.join(', ')} only`
    if (file === undefined) {
      const trap = 'npm omits it with --omit=optional, or if the lockfile was made on another system'
      return `the package ${name} is not installed (${trap}); ${again}, with optional dependencies`
    }
    return `${fault.text}; ${fault.remedy ?? again}`
  }
}
