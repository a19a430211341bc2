/** limbeck uses the part of the machine that a control group allows, and doctor shows it. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const main = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'dist/cli/main.js')

/** The folder of a control group with the time of one core, or undefined if no group can be created. */
function oneCore(): string | undefined {
  const [folder, file, text] = existsSync('/sys/fs/cgroup/cgroup.controllers')
    ? ['/sys/fs/cgroup', 'cpu.max', '100000 100000']
    : ['/sys/fs/cgroup/cpu', 'cpu.cfs_quota_us', '100000']
  const group = path.join(folder, `limbeck-spec-${process.pid}`)
  try {
    mkdirSync(group)
  } catch {
    return undefined
  }
  try {
    if (!existsSync(path.join(group, file))) throw new Error('the controller is not handed down')
    writeFileSync(path.join(group, file), text)
    return group
  } catch {
    rmdirSync(group)
    return undefined
  }
}

test('the quota of a control group counts as the number of cores, and doctor shows both', ({ skip }) => {
  const group = oneCore()
  if (group === undefined) return skip('no control group can be made here')
  try {
    // The shell moves itself into the group and becomes Node.
    const script = 'echo $$ > "$0/cgroup.procs" && exec "$1" "$2" doctor --json'
    const { stdout, stderr } = spawnSync('/bin/sh', ['-c', script, group, process.execPath, main], { encoding: 'utf8' })
    if (stdout === '') return skip(`no process can be moved into a control group here: ${stderr}`)
    const { doctor } = JSON.parse(stdout) as { doctor: Record<string, unknown> }
    expect(doctor).toMatchObject({ cpuQuota: 1, cores: 1, threads: 1 })
  } finally {
    rmdirSync(group)
  }
})
