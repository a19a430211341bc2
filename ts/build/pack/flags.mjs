// The flags that `pack:all` and `verify:pack` share.

import path from 'node:path'
import { parseArgs } from 'node:util'
import { root, stop } from '../ready.mjs'
import { host, platforms } from './platforms.mjs'

/** Reads the command line flags `--targets`, `--out` and the command's own flags, `more`. */
export function flags(usage, more = {}) {
  const options = { targets: { type: 'string' }, out: { type: 'string', default: 'packages' }, ...more }
  let values
  try {
    ;({ values } = parseArgs({ options }))
  } catch (error) {
    stop(`${error.message}. ${usage}`)
  }
  const names = values.targets === undefined ? undefined : values.targets.split(',').map(name => (name === 'host' ? host : name))
  const strange = names?.find(name => !(name in platforms))
  if (strange !== undefined) stop(`--targets: expected some of ${Object.keys(platforms).join(', ')} or host, got ${strange}.`)
  return { ...values, names, out: path.resolve(root, values.out) }
}
