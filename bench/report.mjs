// The output of the driver: a table for people, and for programs one JSON line per measurement and per comparison.

const number = (value, digits = 3) => (value === undefined ? '' : Number(value.toPrecision(digits)).toString())
const ms = (value) => (value === undefined ? '' : value.toFixed(value < 10 ? 3 : 1))

const columns = [
  ['row', 'row', 9],
  ['what', 'what', 44],
  ['threads', 'thr', 3],
  ['impl', 'who', 14],
  ['median', 'median', 9],
  ['min', 'min', 9],
  ['p20', 'p20', 9],
  ['p80', 'p80', 9],
  ['n', 'n', 4],
  ['ratio', '× median', 9],
  ['ratioMin', '× min', 7],
  ['first', 'first', 6],
  ['floor', 'floor', 8],
  ['verdict', '', 8],
]

const cells = (row) => columns.map(([key, , width]) => String(row[key] ?? '').padEnd(width)).join(' ').trimEnd()

export const header = () => cells(Object.fromEntries(columns.map(([key, title]) => [key, title])))

function times(measured) {
  return { median: ms(measured.median_ms), min: ms(measured.min_ms), p20: ms(measured.p20_ms), p80: ms(measured.p80_ms), n: measured.n }
}

/** The lines of the table for one row. */
export function lines(row, threads, result) {
  const start = { row: row.row, what: row.title, threads }
  if (result.error) return [cells({ ...start, verdict: 'FAIL' }), `          ${result.error}`]
  if (result.values) {
    return result.values.map((value, at) =>
      cells({
        ...(at === 0 ? start : {}),
        what: at === 0 ? row.title : '',
        impl: value.title.slice(0, 40),
        median: '',
        min: `${number(value.value, 4)} ${value.unit}`,
        first: value.first === undefined ? '' : `≤ ${number(value.first, 7)}`,
        floor: value.floor === undefined ? '' : `≤ ${number(value.floor, 7)}`,
        verdict: value.verdict,
      }),
    )
  }
  const made = []
  if (result.ours) made.push(cells({ ...start, impl: `limbeck ${result.ours.isa ?? ''}`, ...times(result.ours) }))
  for (const peer of result.peers ?? []) {
    made.push(
      cells({
        impl: `pt ${peer.name}`,
        ...times(peer),
        ratio: `${number(peer.ratio_median)}×`,
        ratioMin: `${number(peer.ratio_min)}×`,
        first: peer.first === undefined ? '' : `≥ ${peer.first}`,
        floor: peer.floor === undefined ? '' : `≥ ${peer.floor}`,
        verdict: peer.verdict,
      }),
    )
  }
  if (result.peak) {
    const { share, best, floor, verdict } = result.peak
    const percent = (part) => `${Math.round(part * 100)} %`
    made.push(cells({ impl: 'of FMA probe', ratio: percent(share), ratioMin: percent(best), floor: `≥ ${percent(floor)}`, verdict }))
  }
  if (result.void) made.push(...(result.ours ? [] : [cells({ ...start, verdict: 'VOID' })]), `          ${result.void}`)
  return made
}

/** The JSON lines of one row. */
export function records(row, threads, result, machine, version, load1) {
  const about = { row: row.row, impl: 'limbeck', version, commit: machine.commit, date: machine.date, cpu: machine.cpu, threads, shape: row.shape }
  if (result.error) return [{ ...about, error: result.error }]
  if (result.values) {
    return result.values.map(({ name, unit, value, first, floor, verdict }) => ({ ...about, name, unit, value, first, floor, verdict, ...result.extra, load1 }))
  }
  const [before, after] = result.probes ?? []
  const pair = (name) => (before ? [before[name], after[name]] : [])
  const probe = { fma_gflops: pair('fma_gflops'), read_gbs: pair('read_gbs'), copy_gbs: pair('copy_gbs'), inplace_gbs: pair('inplace_gbs') }
  const made = []
  if (result.ours) {
    const { name, ...measured } = result.ours
    made.push({ ...about, ...measured, peak: result.peak, probe, load1 })
  }
  for (const { name, ratio_median, ratio_min, first, floor, verdict, torch, ...measured } of result.peers ?? []) {
    const peer = `pytorch-${(torch ?? '').split('+')[0]}-${name}`
    made.push({ ...about, impl: peer, version: torch, ...measured })
    made.push({ row: row.row, threads, peer, ratio_median, ratio_min, first, floor, verdict, void: result.void !== undefined })
  }
  if (result.void) made.push({ ...about, void: true, reason: result.void, probe, load1 })
  return made
}

/** Whether the row passed: it is valid, and no value is below its first mark. */
export const passed = (result) =>
  !result.error && !result.void && [...(result.peers ?? []), ...(result.values ?? [])].every(({ verdict }) => verdict !== 'FAIL')
