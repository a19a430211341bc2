/** An unknown key, and which one was probably meant: what other libraries call it, or the nearest in letters. */

/** What others call our keys, in small letters. */
const others: Readonly<Record<string, string>> = {
  model: 'student',
  net: 'student',
  dataset: 'data',
  loss: 'losses',
  learningrate: 'optimizer',
  lr: 'optimizer',
  momentum: 'optimizer',
  weightdecay: 'optimizer',
  scheduler: 'schedule',
  temperature: 'losses',
  verbose: 'reportEvery',
}

/** The message: the key, the one that was meant, all that there are. */
export function unknownKey(key: string, keys: readonly string[]): string {
  const meant = meantBy(key, keys)
  return `unknown key ${key}; ${meant === undefined ? '' : `did you mean ${meant}? `}the keys are ${keys.join(', ')}`
}

function meantBy(key: string, keys: readonly string[]): string | undefined {
  const word = key.toLowerCase()
  const other = Object.hasOwn(others, word) ? others[word] : undefined
  if (other !== undefined && keys.includes(other)) return other
  // A strange key may be as long as its owner likes.
  if (word.length > 40) return undefined
  const near = keys.map(known => ({ known, far: changes(word, known.toLowerCase()) })).sort((a, b) => a.far - b.far)[0]
  return near !== undefined && near.far <= word.length / 3 ? near.known : undefined
}

/** Letters to add, take or change until one word is the other: Levenshtein's distance. */
function changes(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      row.push(Math.min(row[j - 1]! + 1, above[j]! + 1, above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    above = row
  }
  return above[b.length]!
}
