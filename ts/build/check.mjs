// `npm run check`: the checks that a change must pass: format, lints, generated files, types, tests. `npm run fix` repairs what it can.

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { ready, root, run, stop } from './ready.mjs'

const fix = process.argv.includes('--fix')
const tsc = path.join(root, 'node_modules/typescript/bin/tsc')

ready()
run('cargo', ['fmt', '--all', ...(fix ? [] : ['--check'])])
// `cargo fmt` does not find modules that a macro declares.
const rust = readdirSync(path.join(root, 'crates'), { recursive: true }).filter(name => name.endsWith('.rs'))
run('rustfmt', ['--edition', '2024', ...(fix ? [] : ['--check']), ...rust.map(name => path.join('crates', name))])
run('cargo', ['clippy', '--release', '--workspace', '--all-targets', '--locked', ...(fix ? ['--fix', '--allow-dirty'] : []), '--', '-D', 'warnings'])
run(process.execPath, [path.join(root, 'ts/build/check-cuda.mjs')])
run(process.execPath, [tsc, '--noEmit', '-p', '.'])
run(process.execPath, [tsc, '--noEmit', '-p', '__test__'])
run(process.execPath, [path.join(root, 'ts/native/generate-types.mjs')])
const { status } = spawnSync('git', ['diff', '--exit-code', '--stat', '--', 'ts/native'], { cwd: root, stdio: 'inherit' })
if (status !== 0) stop('ts/native differs from the committed files: commit the generated files.')
if (!fix) run(process.execPath, [path.join(root, 'ts/build/test.mjs')])
