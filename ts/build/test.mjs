// `npm test`: runs the Rust tests, then the TypeScript tests, and prints one line that counts them together.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { checkCargo, ready, root } from './ready.mjs'

/** Forwards the output of a program; returns its text and whether it succeeded. */
function watch(file, args) {
  return new Promise(resolve => {
    const child = spawn(file, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    const hear = stream => chunk => {
      text += chunk
      stream.write(chunk)
    }
    child.stdout.on('data', hear(process.stdout))
    child.stderr.on('data', hear(process.stderr))
    child.on('close', code => resolve({ text, well: code === 0 }))
    child.on('error', error => resolve({ text: error.message, well: false }))
  })
}

async function rust() {
  const { text, well } = await watch('cargo', ['test', '--release', '--workspace', '--locked', '--tests', '--no-fail-fast'])
  const found = [...text.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)]
  const sum = place => found.reduce((total, match) => total + Number(match[place]), 0)
  // If the tests do not compile, that is one failure.
  return { passed: sum(1), failed: sum(2) || (well ? 0 : 1) }
}

async function typescript() {
  const folder = mkdtempSync(path.join(tmpdir(), 'limbeck-test-'))
  const report = path.join(folder, 'vitest.json')
  const vitest = path.join(root, 'node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const { well } = await watch(process.execPath, [vitest, 'run', '--config', '__test__/vitest.config.mjs', ...reporters])
  const said = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : { numPassedTests: 0, numFailedTests: 0 }
  rmSync(folder, { recursive: true })
  return { passed: said.numPassedTests, failed: said.numFailedTests || (well ? 0 : 1) }
}

ready()
checkCargo()
// The build of the addon sets a target; with the same target here, everything is compiled only once.
const host = /^host: (.*)$/m.exec(spawnSync('rustc', ['-vV'], { encoding: 'utf8', cwd: root }).stdout ?? '')?.[1]
if (host !== undefined) process.env.CARGO_BUILD_TARGET ??= host
const parts = [await rust(), await typescript()]
const [passed, failed] = ['passed', 'failed'].map(key => parts.reduce((total, part) => total + part[key], 0))
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
