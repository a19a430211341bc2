//! The list of the losses: the source and the needs of each, read from its file.

use serde::Serialize;

use super::apply::Losses;

/// One line of the list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its key in `losses`.
    pub name: &'static str,
    /// Authors, title, year.
    pub source: String,
    /// What a run must provide.
    pub needs: Vec<&'static str>,
}

/// Start and end of the source in the header of a file; they are equal if there is none.
pub(super) const fn source_range(text: &[u8]) -> (usize, usize) {
    let (mut from, mut at) = (0, 0);
    while at < text.len() {
        if from == 0 && begins(text, at, b"Source: ") {
            from = at + 8;
        }
        let paragraph_ends = begins(text, at, b"\n//!\n") || (text[at] == b'\n' && !begins(text, at, b"\n//!"));
        if from > 0 && (paragraph_ends || begins(text, at, b"Where we differ")) {
            return (from, at);
        }
        at += 1;
    }
    (0, 0)
}

const fn begins(text: &[u8], at: usize, with: &[u8]) -> bool {
    let mut index = 0;
    while index < with.len() {
        if at + index >= text.len() || text[at + index] != with[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// A part of a text as an array, so that the rest of the file does not become part of the program.
pub(super) const fn part<const LENGTH: usize>(text: &[u8], from: usize) -> [u8; LENGTH] {
    let mut copy = [0; LENGTH];
    let mut index = 0;
    while index < LENGTH {
        copy[index] = text[from + index];
        index += 1;
    }
    copy
}

impl Entry {
    pub(super) fn of(name: &'static str, source: &[u8], losses: &Losses) -> Entry {
        let mut needs: Vec<&'static str> = Vec::new();
        for (_, need) in losses.needs() {
            if !needs.contains(&need.words()) {
                needs.push(need.words());
            }
        }
        let source = String::from_utf8_lossy(source).replace("\n//!", " ");
        let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
        Entry { name, source: source.trim_end_matches(['.', ';']).to_string(), needs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::{LossesOptions, catalogue};

    #[test]
    fn every_loss_names_its_source_and_its_needs() {
        let all = catalogue().unwrap();
        assert_eq!(all.len(), LossesOptions::NAMES.len());
        for Entry { name, source, needs } in &all {
            assert!(
                source.chars().any(|c| c.is_ascii_digit()),
                "{name}: expected a source with its year, got {source:?}"
            );
            assert!(!source.contains("//!") && !needs.is_empty(), "{name}: {source:?} {needs:?}");
        }
        let kl = all.iter().find(|entry| entry.name == "kl").unwrap();
        assert!(kl.source.starts_with("Hinton, Vinyals, Dean, \"Distilling the Knowledge in a Neural Network\", 2015"));
        assert_eq!(kl.needs, ["teacher"]);
    }

    #[test]
    fn a_source_ends_where_its_paragraph_does() {
        for (text, want) in [
            ("//! A. Source: B, 2000.\n//!\n//! C", "B, 2000."),
            ("//! Source: B,\n//! 2000. Where we differ: no", "B,\n//! 2000. "),
            ("//! Source: B\nuse c;", "B"),
            ("//! nothing\nuse c;", ""),
        ] {
            let (from, to) = source_range(text.as_bytes());
            assert_eq!(&text[from..to], want);
        }
    }
}
