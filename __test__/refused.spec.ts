/** If the system refuses memory or threads, the call that needs them rejects, and the process never ends. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const child = fileURLToPath(new URL('children/refused.mjs', import.meta.url))
const library = new URL('../dist/index.js', import.meta.url).href
const root = process.getuid?.() === 0
const has = (tool: string) => spawnSync(tool, ['--version']).status === 0

/** Runs a use of the library; returns the printed lines and the exit status or signal. */
function used(command: string[], ...args: string[]) {
  const [file, ...rest] = [...command, process.execPath, child, library, ...args]
  const { status, signal, stdout, stderr } = spawnSync(file!, rest, { encoding: 'utf8', cwd: '/tmp', timeout: 120_000 })
  return { end: signal ?? status, lines: stdout.trim().split('\n'), stderr }
}

test.each(['predict', 'serve', 'train', 'logits', 'analyse'])(
  'a block larger than any memory is ERR_LIMBECK_MEMORY in %s, and the process continues',
  what => {
    // The logits of 160 KB of inputs need 80 GB; with the shell's limit, every machine refuses them.
    const { end, lines, stderr } = used(['sh', '-c', 'ulimit -v 12000000; exec "$0" "$@"'], 'large', what)
    expect(lines, stderr).toEqual(['begins', expect.stringMatching(/^ERR_LIMBECK_MEMORY .*expected \d+ bytes of memory/), 'lives'])
    expect(end).toBe(0)
  },
  120_000,
)

test.each(['predict', 'train', 'evaluate', 'analyse'])(
  'under any limit of address space %s works or rejects',
  what => {
    if (!has('prlimit')) return expect.soft(has('prlimit'), 'needs prlimit, which util-linux has').toBe(false)
    const ends = new Set<string>()
    for (let mebibytes = 0; mebibytes <= 360; mebibytes += 40) {
      const { lines, stderr } = used([], 'limit', what, String(mebibytes << 20))
      // V8's heap and Node's C++ code may end the process; an allocation of limbeck must not.
      expect(stderr, `${mebibytes} MiB`).not.toMatch(/memory allocation of \d+ bytes failed|panicked/)
      if (/JavaScript heap|Fatal process out of memory|std::bad_alloc/.test(stderr)) continue
      const [begins, said, lives] = lines
      expect([begins, lives], `${mebibytes} MiB: ${stderr}`).toEqual(['begins', 'lives'])
      ends.add(said!.split(' ')[0]!)
    }
    expect([...ends].filter(end => !['done', 'ERR_LIMBECK_MEMORY', 'ERR_LIMBECK_BUSY'].includes(end))).toEqual([])
    expect(ends.has('done')).toBe(true)
  },
  400_000,
)

/** Changes to a user whose number of threads can be limited; root's cannot. */
const user = root ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : []

test.each(['predict', 'serve', 'save', 'load', 'evaluate', 'logits', 'take', 'normalization', 'train', 'check', 'analyse'])(
  'if no thread can be started, %s rejects once, with the code for "try again later"',
  what => {
    if (!has('prlimit') || (root && !has('setpriv'))) return expect.soft(true, 'needs prlimit and setpriv').toBe(true)
    const { end, lines, stderr } = used(user, 'threads', what, '1')
    // This user may have no right to read this folder.
    if (stderr.includes('EACCES')) return
    expect(lines, stderr).toEqual(['begins', expect.stringMatching(/^ERR_LIMBECK_BUSY .*thread/), 'lives'])
    expect(end).toBe(0)
  },
  60_000,
)

test('many concurrent calls need few threads', () => {
  if (!has('prlimit') || (root && !has('setpriv'))) return
  const { end, lines, stderr } = used(user, 'threads', 'many', root ? '100' : '4000')
  if (stderr.includes('EACCES')) return
  expect(lines, stderr).toEqual(['begins', 'done 300', 'lives'])
  expect(end).toBe(0)
}, 120_000)
