// `npm run soak` takes minutes: 200 workers, half of them terminated during a step, and 100 child processes that import,
// train and end in four ways. It fails on any signal, any wrong exit code, or growth of more than 10 MB after the 50th worker.

import { spawn } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { ready } from '../../ts/build/ready.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const failed = []

/** Runs a child process; returns its end, its output and its duration. */
function child(program, ...args) {
  const started = performance.now()
  return new Promise(resolve => {
    const running = spawn(process.execPath, [path.join(here, program), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    running.stdout.on('data', text => (stdout += text))
    running.stderr.on('data', text => (stderr += text))
    const timer = setTimeout(() => running.kill('SIGKILL'), 600_000)
    running.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, stdout, stderr, seconds: (performance.now() - started) / 1000 })
    })
  })
}

ready()
const workers = await child('workers.mjs')
const lines = workers.stdout.trim().split('\n').filter(Boolean).map(line => JSON.parse(line))
for (const { workers: count, rss } of lines) console.log(`after ${count} workers: ${(rss / 1e6).toFixed(1)} MB`)
if (workers.code !== 0) failed.push(`workers ended with ${workers.signal ?? workers.code}: ${workers.stderr}`)
else {
  const growth = Math.max(...lines.slice(1).map(({ rss }) => rss)) - lines[0].rss
  console.log(`200 workers, 100 terminated: no crash in ${workers.seconds.toFixed(1)} s; ${(growth / 1e6).toFixed(1)} MB more than after the 50th`)
  if (growth > 10e6) failed.push(`expected at most 10 MB of growth after the 50th worker, got ${(growth / 1e6).toFixed(1)}`)
}

const ways = { return: 0, exit: 0, 'exit mid-step': 0, throw: 1 }
const times = []
for (let turn = 0; turn < 25; turn++) {
  for (const [way, code] of Object.entries(ways)) {
    const ended = await child('once.mjs', way)
    times.push(ended.seconds)
    if (ended.signal !== null || ended.code !== code) failed.push(`${way}, turn ${turn}: ended with ${ended.signal ?? ended.code}: ${ended.stderr}`)
  }
}
times.sort((a, b) => a - b)
console.log(`100 children that import, train and end: ${failed.length} failed, ${times[50].toFixed(2)} s in the middle, ${times.at(-1).toFixed(2)} s at most`)
for (const text of failed) console.error(text)
process.exitCode = failed.length === 0 ? 0 : 1
