/** What this process may use: cores and memory of the machine, and what its control group leaves of them. */
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'

export interface Limits {
  processor: string
  /** Cores that Node sees. */
  parallelism: number
  /** Cores' worth of time that the control group grants; `none` without a limit. */
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

/** The least quota on the way from this process's group to the root: version 2, else version 1. */
function cpuQuota(): number | undefined {
  let least: number | undefined
  for (const folder of groups()) {
    const [quota, period] = (read(`${folder}/cpu.max`) ?? '').split(' ').map(Number)
    if (quota && period && Number.isFinite(quota)) least = Math.min(least ?? Infinity, quota / period)
  }
  if (least !== undefined) return least
  const quota = Number(read('/sys/fs/cgroup/cpu/cpu.cfs_quota_us'))
  const period = Number(read('/sys/fs/cgroup/cpu/cpu.cfs_period_us'))
  return quota > 0 && period > 0 ? quota / period : undefined
}

function memoryLimit(): number | undefined {
  let least: number | undefined
  for (const folder of groups()) {
    const limit = Number(read(`${folder}/memory.max`) ?? 'max')
    if (Number.isFinite(limit)) least = Math.min(least ?? Infinity, limit)
  }
  if (least !== undefined) return least
  const old = Number(read('/sys/fs/cgroup/memory/memory.limit_in_bytes') ?? 'max')
  // Without a limit version 1 shows the largest count of pages there is.
  return Number.isFinite(old) && old < 2 ** 60 ? old : undefined
}

/** The folders of this process's control group and of those around it. */
function groups(): string[] {
  const own = /^0::(.*)$/m.exec(read('/proc/self/cgroup') ?? '')?.[1] ?? '/'
  const parts = own.split('/').filter(part => part !== '' && part !== '..')
  return Array.from({ length: parts.length + 1 }, (_, count) => ['/sys/fs/cgroup', ...parts.slice(0, count)].join('/'))
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}
