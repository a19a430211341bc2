/** The cores and the memory that this process may use: those of the machine, and the limits of its control group. */
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'

export interface Limits {
  processor: string
  /** Cores that Node sees. */
  parallelism: number
  /** The CPU time that the control group allows, in cores; `none` without a limit. */
  cpuQuota: number | 'none'
  memoryBytes: number
  memoryLimitBytes: number | 'none'
}

export function limits(): Limits {
  const processor = cpus()[0]?.model.trim() ?? 'unknown'
  return {
    processor,
    parallelism: availableParallelism(),
    cpuQuota: cpuQuota() ?? 'none',
    memoryBytes: totalmem(),
    memoryLimitBytes: memoryLimit() ?? 'none',
  }
}

/** The smallest quota of this process's group and of its parent groups. */
function cpuQuota(): number | undefined {
  const quotas = [
    ...groups('').map(folder => (read(`${folder}/cpu.max`) ?? '').split(' ')),
    ...groups('cpu').map(folder => [read(`${folder}/cpu.cfs_quota_us`), read(`${folder}/cpu.cfs_period_us`)]),
  ].map(([quota, period]) => Number(quota) / Number(period))
  // `max` and -1 mean that there is none.
  return least(quotas.filter(quota => quota > 0))
}

function memoryLimit(): number | undefined {
  const texts = [
    ...groups('').map(folder => read(`${folder}/memory.max`)),
    ...groups('memory').map(folder => read(`${folder}/memory.limit_in_bytes`)),
  ]
  // Without a limit, version 1 returns the largest possible number of pages.
  return least(texts.map(Number).filter(limit => limit < 2 ** 60))
}

function least(found: number[]): number | undefined {
  return found.length === 0 ? undefined : Math.min(...found)
}

/** The folders of this process's control group and of its parents: of version 2, or of a controller of version 1. */
function groups(controller: string): string[] {
  const lines = (read('/proc/self/cgroup') ?? '').split('\n').map(line => line.split(':'))
  const own = lines.find(([, controllers]) => (controllers ?? '').split(',').includes(controller))?.slice(2).join(':') ?? '/'
  const parts = own.split('/').filter(part => part !== '' && part !== '..')
  const base = controller === '' ? '/sys/fs/cgroup' : `/sys/fs/cgroup/${controller}`
  return Array.from({ length: parts.length + 1 }, (_, count) => [base, ...parts.slice(0, count)].join('/'))
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}
