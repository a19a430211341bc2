// One long-lived program under measurement, and its protocol (README.md): it prepares itself, then replies to each line with the
// times of a few repeats. Between its turns it waits for input and does not use the processor.

import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const pinned = process.platform === 'linux' && spawnSync('taskset', ['--version']).status === 0

/** The command that pins a program to the first `cores` cores, if the system supports it. */
export function pin(command, cores) {
  return pinned ? ['taskset', '-c', cores === 1 ? '0' : `0-${cores - 1}`, ...command] : command
}

export const isPinned = pinned

export class Child {
  /** Starts `command` and waits for its first line. */
  static async start(name, command, { cores, env = {} }) {
    const child = new Child(name, command, cores, env)
    child.ready = await child.#answer()
    return child
  }

  constructor(name, command, cores, env) {
    this.name = name
    this.times = []
    this.faults = 0
    const [file, ...rest] = pin(command, cores)
    this.process = spawn(file, rest, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    this.said = ''
    this.process.stderr.on('data', (text) => (this.said = (this.said + text).slice(-4000)))
    this.process.stdin.on('error', () => {}) // `#answer` reports it when the program ends
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]()
    this.ended = new Promise((resolve, reject) => {
      this.process.once('error', reject)
      this.process.once('close', resolve)
    })
    this.ended.catch(() => {}) // `#answer` reports it too
  }

  async #answer() {
    const line = await Promise.race([this.lines.next(), this.ended.then(() => this.lines.next())])
    if (line.done) throw new Error(`${this.name} ended early: ${this.complaint() || 'without an error message'}`)
    return JSON.parse(line.value)
  }

  /** The most useful line of its standard error: the last one that names an error, or else the last one. */
  complaint() {
    const lines = this.said.trim().split('\n')
    return lines.findLast((line) => /error|panicked/i.test(line)) ?? lines.at(-1)
  }

  /** One turn: makes `repeats` timed runs and adds their times. */
  async turn(repeats) {
    const before = this.#minorFaults()
    this.process.stdin.write(`${repeats}\n`)
    const { ms } = await this.#answer()
    this.faults += this.#minorFaults() - before
    this.times.push(...ms)
  }

  async close() {
    this.process.stdin.end()
    await this.ended.catch(() => {})
  }

  /** The minor page faults so far; 0 if the system does not report them. */
  #minorFaults() {
    try {
      const stat = readFileSync(`/proc/${this.process.pid}/stat`, 'utf8')
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[7])
    } catch {
      return 0
    }
  }
}

/** Runs a program to its end and returns the last line that it printed. */
export async function once(name, command, { cores, env = {} }) {
  const child = new Child(name, command, cores, env)
  child.process.stdin.end()
  let last
  for await (const line of { [Symbol.asyncIterator]: () => child.lines }) last = line
  const code = await child.ended
  if (code !== 0 || last === undefined) throw new Error(`${name} failed: ${child.complaint() || `exit code ${code}`}`)
  return JSON.parse(last)
}
