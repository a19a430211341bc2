import { spawnSync } from 'node:child_process'

const flag = process.versions.node.startsWith('20.') ? '--experimental-permission' : '--permission'
const folder = process.cwd()
const under = (flags, program) =>
  spawnSync(process.execPath, [flag, `--allow-fs-read=${folder}/*`, ...flags, program], { encoding: 'utf8' })

const refused = under([], 'refused.js')
if (refused.status !== 0) throw new Error(refused.stderr)
const allowed = under(['--allow-addons', `--allow-fs-write=${folder}/*`], 'allowed.js')
if (allowed.status !== 0) throw new Error(allowed.stderr)
console.log(refused.stdout.trim())
console.log(allowed.stdout.trim())
