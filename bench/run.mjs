// `npm run bench`: measures every row of rows.mjs and its peers in one run. See README.md.

import { spawnSync } from 'node:child_process'
import { appendFileSync, readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { checkCargo, ready } from '../ts/build/ready.mjs'
import { isPinned } from './child.mjs'
import { machine } from './machine.mjs'
import { ratioRow, valueRow } from './measure.mjs'
import { hasPeers, peers, root } from './paths.mjs'
import { header, lines, passed, records } from './report.mjs'
import { chosen } from './rows.mjs'

const usage = `npm run bench -- [options]
  --rows 1,35      only these rows (16 means all of 16)
  --threads 1,2    thread counts; default: 2 and the machine's cores
  --rounds 10      turns of ours and of each peer; five repeats a turn
  --tries 3        how often a row is measured if the bandwidth changes
  --isa avx2       our instruction set (scalar, avx2, avx512); default: the machine's best
  --json           JSON lines instead of the table
  --append FILE    the JSON lines, added to a file
`

function positive(name, text) {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name}: expected an integer above 0, got ${text}`)
  return value
}

function options() {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string' },
      threads: { type: 'string' },
      rounds: { type: 'string', default: '10' },
      tries: { type: 'string', default: '3' },
      isa: { type: 'string' },
      json: { type: 'boolean', default: false },
      append: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const cores = os.availableParallelism()
  const threads = values.threads ? values.threads.split(',') : [Math.min(2, cores), cores]
  return {
    ...values,
    cores,
    rows: chosen(values.rows),
    threads: [...new Set(threads.map((count) => positive('threads', count)))],
    rounds: positive('rounds', values.rounds),
    tries: positive('tries', values.tries),
    env: values.isa ? { LIMBECK_ISA: values.isa } : {},
  }
}

/** Builds what the rows need: the Rust programs, and the addon with its facade. */
function build(rows) {
  const programs = rows.flatMap((row) => [row.ours, row.program, row.beside?.ours, row.beside?.core]).filter(Boolean)
  if (programs.some(({ addon }) => addon)) ready()
  const wanted = new Set(['bench_probe', ...programs.flatMap(({ example }) => example ?? [])])
  const examples = [...wanted].flatMap((name) => ['--example', name])
  checkCargo()
  const { status } = spawnSync('cargo', ['build', '--release', '--quiet', '-p', 'limbeck-bench', ...examples], { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new Error('the benchmark programs did not build')
}

async function measure(row, settings) {
  if (row.peers && !hasPeers()) return { error: `no PyTorch in ${peers}: npm run bench:setup` }
  try {
    if (!row.peers) return await valueRow(row, settings)
    let result
    for (let attempt = 0; attempt < settings.tries; attempt++) {
      result = await ratioRow(row, settings)
      if (!result.void || !result.probes) break
      if (attempt + 1 < settings.tries) settings.say(row, settings.threads, result)
    }
    return result
  } catch (error) {
    return { error: error.message }
  }
}

async function main() {
  const chosenOptions = options()
  if (chosenOptions.help) return console.log(usage)
  build(chosenOptions.rows)
  const here = machine()
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  const { json, append } = chosenOptions
  if (!json) {
    const { cpu, cores, flags, l2, l3, hugePages, node, commit, date } = here
    console.log(`${cpu}, ${cores} cores, ${flags}, L2 ${l2}, L3 ${l3}, huge pages ${hugePages}, Node ${node}, commit ${commit}, ${date}`)
    console.log(`times in ms; × is the peer's time divided by ours; ${isPinned ? 'pinned by taskset' : 'not pinned'}\n\n${header()}`)
  }
  const say = (row, threads, result) => {
    const made = records(row, threads, result, here, version, os.loadavg()[0]).map((record) => JSON.stringify(record))
    if (append) appendFileSync(append, made.map((line) => `${line}\n`).join(''))
    for (const line of json ? made : lines(row, threads, result)) console.log(line)
  }
  let wrong = 0
  for (const row of chosenOptions.rows) {
    // A row of values measures a property of the process, not a speed per number of threads.
    for (const threads of row.peers ? chosenOptions.threads : chosenOptions.threads.slice(-1)) {
      const result = await measure(row, { ...chosenOptions, threads, say })
      say(row, threads, result)
      if (!passed(result)) wrong++
    }
  }
  if (!json) console.log(`\n${wrong === 0 ? 'every first mark is met' : `${wrong} rows below their first mark, void, or not measured`}`)
  process.exitCode = wrong === 0 ? 0 : 1
}

main().catch((error) => {
  console.error(error.message)
  process.exitCode = 2
})
