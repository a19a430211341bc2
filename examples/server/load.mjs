// A load test of the example server over loopback, bounded in count and time: node examples/server/load.mjs --json

import { spawn } from 'node:child_process'
import { Agent, request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { digits, SIZE } from './digits.mjs'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '8' }, channels: { type: 'string', default: '8,16' }, json: { type: 'boolean', default: false } },
})
const SECONDS = Math.min(60, Number(values.seconds))
/** The largest number of requests in one phase. */
const MOST = 200_000
const CALLERS = 32

const { inputs } = digits(256, 99)
const images = Array.from({ length: 256 }, (_, at) => Buffer.from(inputs.subarray(at * SIZE, (at + 1) * SIZE)))
const agent = new Agent({ keepAlive: true, maxSockets: 512 })

/** Starts the server as a child process; resolves when it listens. */
function start() {
  const program = fileURLToPath(new URL('server.mjs', import.meta.url))
  const args = [program, '--port', '0', '--train', 'idle', '--epochs', '1000', '--channels', values.channels]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise(resolve => child.on('close', code => resolve(code)))
  return new Promise((resolve, reject) => {
    child.stdout.on('data', chunk => {
      const port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(String(chunk))?.[1]
      if (port !== undefined) resolve({ child, ended, port: Number(port) })
    })
    void ended.then(code => reject(new Error(`the server ended with ${code}`)))
  })
}

const ask = (port, method, path, body) =>
  new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-length': body.length }
    const asked = request({ agent, port, method, path, headers, host: '127.0.0.1' }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', chunk => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode, text }))
      response.on('error', reject)
    })
    asked.on('error', reject)
    asked.end(body)
  })

/** One request; the time since it was due is added to `times`, a failure to `errors`. */
async function shoot(port, at, due, { times, errors }) {
  try {
    const { status, text } = await ask(port, 'POST', '/predict', images[at % images.length])
    if (status !== 200) throw new Error(`${status} ${text}`)
    times.push(performance.now() - due)
  } catch (error) {
    errors.push(error.message)
  }
}

/** Callers that send the next request as soon as they have an answer: this gives the highest rate. */
async function closed(port, seconds) {
  const seen = { times: [], errors: [] }
  const began = performance.now()
  const end = began + seconds * 1000
  let at = 0
  const caller = async () => {
    while (performance.now() < end && at < MOST) await shoot(port, at++, performance.now(), seen)
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  return { ...seen, rate: seen.times.length / ((performance.now() - began) / 1000) }
}

/** Requests at a fixed rate, whether or not earlier ones were answered. */
async function open(port, rate, seconds) {
  const seen = { times: [], errors: [] }
  const count = Math.min(MOST, Math.floor(rate * seconds))
  const began = performance.now()
  const all = []
  while (all.length < count) {
    const due = began + (all.length / rate) * 1000
    if (due > performance.now()) await new Promise(resolve => setTimeout(resolve, Math.max(0, due - performance.now())))
    for (let now = performance.now(); all.length < count && began + (all.length / rate) * 1000 <= now; ) {
      all.push(shoot(port, all.length, began + (all.length / rate) * 1000, seen))
    }
  }
  await Promise.all(all)
  return { ...seen, rate: count / ((performance.now() - began) / 1000) }
}

const quantile = (times, share) => times.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * times.length) - 1)] ?? NaN
const line = (what, { times, errors, rate }) => {
  const found = { what, rate: Math.round(rate), answers: times.length, errors: errors.length }
  for (const [name, share] of [['p50', 0.5], ['p95', 0.95], ['p99', 0.99], ['max', 1]]) found[name] = Number(quantile(times, share).toFixed(2))
  if (values.json) console.log(JSON.stringify(found))
  else console.log(`${what.padEnd(28)} ${String(found.rate).padStart(6)}/s  ${found.answers} answers, ${found.errors} errors, ms p50 ${found.p50} p95 ${found.p95} p99 ${found.p99} max ${found.max}`)
  if (errors.length > 0) console.log(`  ${errors[0]}`)
  return found
}

const { child, ended, port } = await start()
try {
  await closed(port, 1)
  const most = line('highest rate, idle', await closed(port, SECONDS))
  const idle = line('half of it, idle', await open(port, most.rate / 2, SECONDS))
  const { status } = await ask(port, 'POST', '/train')
  if (status !== 202) throw new Error(`training did not begin: ${status}`)
  await new Promise(resolve => setTimeout(resolve, 1000))
  const beside = line('half of it, training', await open(port, most.rate / 2, SECONDS))
  const health = JSON.parse((await ask(port, 'GET', '/health')).text)
  if (!health.training) throw new Error('training ended before the test did: use more --epochs')
  const stats = JSON.parse((await ask(port, 'GET', '/stats')).text)
  const more = Number((beside.p99 - idle.p99).toFixed(2))
  const met = beside.errors === 0 && more <= 20
  if (values.json) console.log(JSON.stringify({ what: 'p99 training − idle', ms: more, met, batchRows: stats.batches.rows }))
  else console.log(`p99 training − idle: ${more} ms (20 or less), errors ${beside.errors}: ${met ? 'PASS' : 'FAIL'}`)
  if (!met) process.exitCode = 1
} finally {
  agent.destroy()
  child.kill('SIGTERM')
  const code = await ended
  if (code !== 0) process.exitCode = 1
}
