//! Learns word pieces or byte pairs: the most frequent pair of neighbouring tokens becomes a token, again and again.
//!
//! ```text
//! the next token: argmax over pairs (a, b) of Σ over words of count(word) · #(a, b in word); of equal pairs, the one with
//! the smallest ids
//! ```
//!
//! Source: Sennrich, Haddow, Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016,
//! arXiv:1508.07909; the trainer of the `tokenizers` crate. Where we differ from the crate: its result depends on the
//! order of hash tables, in the ids of word pieces and wherever two pairs make the same token; here all orders are fixed.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

use super::words::Words;
use crate::blocks;

/// A pair must occur this often to become a token, as in the trainers for BERT and RoBERTa of Hugging Face.
const FREQUENT: i64 = 2;

/// A learned vocabulary.
pub(super) struct Learned {
    /// The given tokens, then those of the merges.
    pub tokens: Vec<String>,
    /// The ids of the two tokens of each merge, in the order in which they apply.
    pub merges: Vec<[u32; 2]>,
}

type Pair = [u32; 2];

#[derive(Default)]
struct Occurrences {
    count: i64,
    /// The words that contained the pair at some time; a word may be listed twice.
    words: Vec<u32>,
}

/// Adds merges to `tokens` until there are `size` tokens, or no pair is frequent. `continuing` is the prefix of a token
/// that does not begin a word. Every character of a word must be in `tokens`, with the prefix where it applies; words with
/// another character are left out.
pub(super) fn learn(words: &Words, tokens: Vec<String>, continuing: Option<&str>, size: usize) -> Learned {
    let prefix = continuing.unwrap_or_default();
    let mut ids: HashMap<String, u32> = HashMap::with_capacity(size);
    ids.extend(tokens.iter().enumerate().map(|(id, token)| (token.clone(), id as u32)));
    // The ids of the words, and the pairs with lists of their words.
    blocks::room(words.keys().map(|word| 32 * word.chars().count() + 64).sum());
    let (mut split, mut counts) = (blocks::empty(words.len()), blocks::empty(words.len()));
    for (word, count) in words {
        let id_of = |(at, character): (usize, char)| {
            ids.get(&if at == 0 { character.to_string() } else { format!("{prefix}{character}") }).copied()
        };
        if let Some(known) = word.chars().enumerate().map(id_of).collect::<Option<Vec<u32>>>() {
            split.push(known);
            counts.push(*count as i64);
        }
    }
    let mut pairs: HashMap<Pair, Occurrences> = HashMap::new();
    for (index, word) in split.iter().enumerate() {
        add(&mut pairs, word, index, counts[index]);
    }
    let entry = |pair: &Pair, count: i64| (count, Reverse(*pair));
    let mut queue: BinaryHeap<_> = pairs.iter().map(|(pair, found)| entry(pair, found.count)).collect();
    let mut learned = Learned { tokens, merges: Vec::new() };
    let mut merged_before = HashSet::new();
    while learned.tokens.len() < size {
        let Some((count, Reverse(pair))) = queue.pop() else { break };
        let now = pairs.get(&pair).map_or(0, |found| found.count);
        // An entry with another count is older than the last change of its pair, which has a newer entry.
        if now < FREQUENT || now != count {
            continue;
        }
        let [first, second] = pair.map(|id| learned.tokens[id as usize].as_str());
        let token = format!("{first}{}", second.strip_prefix(prefix).unwrap_or(second));
        let made = *ids.entry(token.clone()).or_insert_with(|| {
            learned.tokens.push(token);
            learned.tokens.len() as u32 - 1
        });
        // A pair can form again after its merge, if its tokens are made by other pairs later.
        if merged_before.insert(pair) {
            learned.merges.push(pair);
        }
        let mut changed = BTreeSet::new();
        for index in pairs.remove(&pair).map_or(Vec::new(), |found| found.words) {
            let (word, count) = (&mut split[index as usize], counts[index as usize]);
            let merged = merge(word, pair, made);
            if merged.len() == word.len() {
                continue;
            }
            for old in word.windows(2).map(|two| [two[0], two[1]]) {
                if let Some(found) = pairs.get_mut(&old) {
                    found.count -= count;
                    changed.insert(old);
                }
            }
            add(&mut pairs, &merged, index as usize, count);
            changed.extend(merged.windows(2).map(|two| [two[0], two[1]]));
            *word = merged;
        }
        queue.extend(changed.iter().filter_map(|pair| Some(entry(pair, pairs.get(pair)?.count))));
    }
    learned
}

/// Adds the pairs of a word.
fn add(pairs: &mut HashMap<Pair, Occurrences>, word: &[u32], index: usize, count: i64) {
    for pair in word.windows(2).map(|two| [two[0], two[1]]) {
        let found = pairs.entry(pair).or_default();
        found.count += count;
        if found.words.last() != Some(&(index as u32)) {
            found.words.push(index as u32);
        }
    }
}

/// The word with `made` in place of every occurrence of the pair, from the left.
fn merge(word: &[u32], [first, second]: Pair, made: u32) -> Vec<u32> {
    let mut merged = Vec::with_capacity(word.len());
    let mut at = 0;
    while at < word.len() {
        let both = word[at] == first && word.get(at + 1) == Some(&second);
        merged.push(if both { made } else { word[at] });
        at += 1 + usize::from(both);
    }
    merged
}
