/** The message for an unknown key, with a suggestion: our key for another library's name, or the most similar key. */

/** Names from other libraries, in lower case, and our key for each. */
const synonyms: Readonly<Record<string, string>> = {
  model: 'student',
  net: 'student',
  dataset: 'data',
  loss: 'losses',
  scheduler: 'schedule',
  verbose: 'reportEvery',
}

/** Names in lower case that are options below one of our keys, and how to write them. */
const deeper: Readonly<Record<string, readonly [key: string, text: string]>> = {
  learningrate: ['optimizer', 'optimizer: { adamW: { learningRate: … } }'],
  lr: ['optimizer', 'optimizer: { adamW: { learningRate: … } }'],
  momentum: ['optimizer', 'optimizer: { sgd: { momentum: … } }'],
  weightdecay: ['optimizer', 'optimizer: { adamW: { weightDecay: … } }'],
  temperature: ['losses', 'losses: { kl: { temperature: … } }'],
}

/** The message: the unknown key, the suggestion, and all known keys. */
export function unknownKey(key: string, keys: readonly string[]): string {
  const word = key.toLowerCase()
  const [place, text] = (Object.hasOwn(deeper, word) ? deeper[word] : undefined) ?? []
  if (place !== undefined && keys.includes(place)) return `unknown key ${key}; write ${text}; the keys are ${keys.join(', ')}`
  const suggestion = suggest(key, keys)
  return `unknown key ${key}; ${suggestion === undefined ? '' : `did you mean ${suggestion}? `}the keys are ${keys.join(', ')}`
}

/** The known name that is meant by `key`, if one is similar enough. */
export function suggest(key: string, keys: readonly string[]): string | undefined {
  const word = key.toLowerCase()
  const synonym = Object.hasOwn(synonyms, word) ? synonyms[word] : undefined
  if (synonym !== undefined && keys.includes(synonym)) return synonym
  // The distance costs the product of the lengths, and an untrusted key may be long.
  if (word.length > 40) return undefined
  const near = keys.map(known => ({ known, far: changes(word, known.toLowerCase()) })).sort((a, b) => a.far - b.far)[0]
  return near !== undefined && near.far <= word.length / 3 ? near.known : undefined
}

/** Edit distance: how many letters to add, remove, change or swap with the next one to turn one word into the other. */
function changes(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : Infinity
      row.push(Math.min(row[j - 1]! + 1, above[j]! + 1, above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1), swapped))
    }
    before = above
    above = row
  }
  return above[b.length]!
}
