/** The example server as a user starts it: predictions, errors, training, stop. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

interface Started {
  child: ChildProcess
  url: string
  said: () => string
  errors: () => string
  ended: Promise<unknown[]>
}

async function server(...args: string[]): Promise<Started> {
  const child = spawn(process.execPath, ['examples/server/server.mjs', '--port', '0', ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let [said, errors] = ['', '']
  child.stdout.on('data', chunk => (said += chunk))
  child.stderr.on('data', chunk => (errors += chunk))
  const ended = once(child, 'close')
  const found = await Promise.race([ended, listening()])
  if (typeof found !== 'string') throw new Error(`the server did not start: ${errors}`)
  return { child, url: found, said: () => said, errors: () => errors, ended }

  async function listening(): Promise<string> {
    for (;;) {
      const url = /http:\S+/.exec(said)?.[0]
      if (url !== undefined) return url
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
}

const image = (count = 1) => new Uint8Array(784 * count).fill(120)
const post = (url: string, body: string | Uint8Array<ArrayBuffer>, type = 'application/octet-stream') => fetch(`${url}/predict`, { method: 'POST', body, headers: { 'content-type': type } })
const health = async (url: string) => (await (await fetch(`${url}/health`)).json()) as { status: string; accuracy: number; rounds: number; training: boolean }

test('it accepts bytes and JSON, and rejects other bodies with the correct status', async () => {
  const { url, child, ended, errors } = await server('--train', 'idle')
  const json = JSON.stringify({ inputs: [Array.from(image(), byte => Math.fround(byte / 255))] })
  const [bytes, numbers] = await Promise.all([post(url, image()), post(url, json, 'application/json')])
  const rows = (await bytes.json()) as { generation: number; rows: { label: number; probability: number }[] }
  expect([bytes.status, numbers.status, rows.generation, rows.rows.length]).toEqual([200, 200, 0, 1])
  const again = (await numbers.json()) as typeof rows
  expect(again.rows[0]!.label).toBe(rows.rows[0]!.label)
  expect(again.rows[0]!.probability).toBeCloseTo(rows.rows[0]!.probability, 5)
  expect(((await (await post(url, image(64))).json()) as typeof rows).rows).toHaveLength(64)

  const wrong: [string | Uint8Array<ArrayBuffer>, string, number, RegExp][] = [
    [image().subarray(1), 'application/octet-stream', 400, /inputs: expected a multiple of 784 numbers/],
    ['', 'application/octet-stream', 400, /at least one row/],
    ['{', 'application/json', 400, /not JSON/],
    ['{}', 'application/json', 400, /inputs: expected/],
    ['null', 'application/json', 400, /inputs: expected/],
    ['{"inputs":[[1,null]]}', 'application/json', 400, /inputs\[0\]\[1\]: expected a finite 32-bit number/],
    [image(65), 'application/octet-stream', 413, /at most 50176 bytes/],
  ]
  for (const [body, type, status, message] of wrong) {
    const said = await post(url, body, type)
    expect([said.status, ((await said.json()) as { error: string }).error]).toEqual([status, expect.stringMatching(message)])
  }
  expect((await fetch(`${url}/predict`)).status).toBe(404)
  // The size of a body without a length is counted as the body arrives.
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let heard = ''
  socket.on('data', chunk => (heard += chunk))
  const closed = once(socket, 'close')
  socket.write('POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n')
  for (let chunk = 0; chunk < 60; chunk++) socket.write(`3e8\r\n${'x'.repeat(1000)}\r\n`)
  await closed
  expect(heard).toMatch(/^HTTP\/1\.1 413 /)
  expect((await (await fetch(`${url}/stats`)).json())).toMatchObject({ served: 3, swaps: 0, waiting: { calls: 0 } })
  expect(await health(url)).toEqual({ status: 'ok', accuracy: 0, rounds: 0, training: false })
  child.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
  expect(errors()).toBe('')
}, 60_000)

test('callers that disconnect early are not counted as failures of the server', async () => {
  const { url, child, ended, errors } = await server('--train', 'idle')
  const port = Number(new URL(url).port)
  const head = 'POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 50176\r\n\r\n'
  const leave = async (body: Uint8Array) => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(head)
    await new Promise(resolve => socket.write(body, resolve))
    socket.resetAndDestroy()
  }
  await Promise.all(Array.from({ length: 20 }, (_, at) => leave(at < 10 ? image() : image(64))))
  const stats = async () => (await (await fetch(`${url}/stats`)).json()) as { inside: number }
  while ((await stats()).inside > 0) await new Promise(resolve => setTimeout(resolve, 10))
  expect((await post(url, image())).status).toBe(200)
  child.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
  expect(errors()).toBe('')
}, 60_000)

test('it trains while it serves, and swaps in the better student', async () => {
  const { url, child, ended, said } = await server('--rows', '1500', '--epochs', '1', '--channels', '8')
  let answers = 0
  while ((await health(url)).rounds === 0) {
    expect((await post(url, image())).status).toBe(200)
    answers++
  }
  const { accuracy } = await health(url)
  expect(accuracy).toBeGreaterThan(0.3)
  expect(((await (await post(url, image())).json()) as { generation: number }).generation).toBe(1)
  expect(answers).toBeGreaterThan(3)
  expect((await fetch(`${url}/train`, { method: 'POST' })).status).toBe(202)
  expect((await fetch(`${url}/train`, { method: 'POST' })).status).toBe(409)
  child.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
  expect(said()).toMatch(/round 1: [\d.]+ %[^]*stopping\nstopped after \d+ answers\n$/)
}, 120_000)

test('after SIGTERM during calls and training, accepted calls are completed and the process ends', async () => {
  const { url, child, ended, errors } = await server('--rows', '20000', '--epochs', '500')
  while (!(await health(url)).training) await new Promise(resolve => setTimeout(resolve, 10))
  // Half of a request has arrived: it is completed when the rest arrives, and then the connection is closed.
  const { port } = new URL(url)
  const socket = connect(Number(port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let heard = ''
  socket.on('data', chunk => (heard += chunk))
  const closed = once(socket, 'close')
  socket.write('POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 784\r\n\r\n')
  const inside = Array.from({ length: 30 }, () => post(url, image(8)).then(({ status }) => status))
  const arrived = async () => (await (await fetch(`${url}/stats`)).json()) as { served: number; inside: number }
  for (let stats = await arrived(); stats.served + stats.inside < 30; ) stats = await arrived()
  const began = performance.now()
  child.kill('SIGTERM')
  await new Promise(resolve => setTimeout(resolve, 60))
  socket.write(image())
  await closed
  expect(heard).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*connection: close[^]*"rows":\[\{"label"/i)
  expect(new Set(await Promise.all(inside))).toEqual(new Set([200]))
  expect(await ended).toEqual([0, null])
  expect(performance.now() - began).toBeLessThan(9_000)
  expect(errors()).toBe('')
  await expect(fetch(`${url}/health`)).rejects.toThrow('fetch failed')
}, 60_000)
