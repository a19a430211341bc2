//! Names of a family's tensors → names of ours.
//!
//! A pattern is compared part by part, where dots separate the parts. It matches its own name and all names below it, and
//! the part `*` matches a number, which the new name repeats in place of its `*`. The first rule that matches applies.

/// One rule of a family.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rename {
    /// The tensor has another name here; what is below the pattern stays below the new name.
    Move(&'static str, &'static str),
    /// The tensor is not needed.
    Ignore(&'static str),
    /// A second name of a tensor: it is needed only if the file does not contain the first.
    Tie(&'static str, &'static str),
}

/// What becomes of a tensor in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// Our name.
    Ours(String),
    /// Our name of a tensor that may be in the file under another name, too.
    Tied(String),
    Ignored,
    /// No rule matches.
    Unknown,
}

/// Applies the rules to a name, after its optional prefix (`bert`) is removed and the old names of norms are replaced.
pub(crate) fn place<'a>(rules: impl IntoIterator<Item = &'a Rename>, prefix: &str, name: &str) -> Place {
    let rest = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
    let name = modern(rest);
    for rule in rules {
        let (pattern, to) = match rule {
            Rename::Move(pattern, to) | Rename::Tie(pattern, to) => (pattern, *to),
            Rename::Ignore(pattern) => (pattern, ""),
        };
        if let Some(renamed) = renamed(pattern, to, &name) {
            return match rule {
                Rename::Move(..) => Place::Ours(renamed),
                Rename::Tie(..) => Place::Tied(renamed),
                Rename::Ignore(_) => Place::Ignored,
            };
        }
    }
    Place::Unknown
}

/// The name of the family's tensor that has this name here.
pub(crate) fn original<'a>(rules: impl IntoIterator<Item = &'a Rename>, ours: &str) -> Option<String> {
    rules.into_iter().find_map(|rule| match rule {
        Rename::Move(pattern, to) => renamed(to, pattern, ours),
        _ => None,
    })
}

/// `gamma` and `beta`, the names of norms in old files, as `weight` and `bias`.
fn modern(name: &str) -> String {
    for (old, new) in [(".gamma", ".weight"), (".beta", ".bias")] {
        if let Some(start) = name.strip_suffix(old) {
            return format!("{start}{new}");
        }
    }
    name.to_string()
}

/// `to` with the numbers and the end of a name that the pattern matches.
fn renamed(pattern: &str, to: &str, name: &str) -> Option<String> {
    let mut parts = name.split('.');
    let mut numbers = Vec::new();
    for wanted in pattern.split('.') {
        let part = parts.next()?;
        match wanted {
            "*" if is_number(part) => numbers.push(part),
            _ if wanted == part => {}
            _ => return None,
        }
    }
    let mut numbers = numbers.into_iter();
    let moved = to.split('.').map(|part| if part == "*" { numbers.next().unwrap_or(part) } else { part });
    Some(moved.chain(parts).collect::<Vec<_>>().join("."))
}

/// Whether a part is a number in its only form; `01` is not.
fn is_number(part: &str) -> bool {
    let digits = !part.is_empty() && part.len() <= 9 && part.bytes().all(|byte| byte.is_ascii_digit());
    digits && (part == "0" || !part.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [Rename; 6] = [
        Rename::Ignore("embeddings.position_ids"),
        Rename::Move("embeddings.word.weight", "embeddings.token"),
        Rename::Move("layer.*.norm", "blocks.*.attentionNorm"),
        Rename::Move("stage.*.layer.*", "stages.*.blocks.*"),
        Rename::Tie("cls.decoder.weight", "embeddings.token"),
        Rename::Ignore("cls"),
    ];

    #[test]
    fn the_first_rule_that_matches_applies() {
        let ours = |name: &str| Place::Ours(name.into());
        for (name, want) in [
            ("embeddings.word.weight", ours("embeddings.token")),
            ("bert.embeddings.word.weight", ours("embeddings.token")),
            ("bert.bert.embeddings.word.weight", Place::Unknown),
            ("layer.11.norm.bias", ours("blocks.11.attentionNorm.bias")),
            ("layer.11.norm.gamma", ours("blocks.11.attentionNorm.weight")),
            ("bert.layer.0.norm.beta", ours("blocks.0.attentionNorm.bias")),
            ("stage.1.layer.2.conv.weight", ours("stages.1.blocks.2.conv.weight")),
            ("cls.decoder.weight", Place::Tied("embeddings.token".into())),
            ("cls.bias", Place::Ignored),
            ("bert.embeddings.position_ids", Place::Ignored),
            ("layer.norm.bias", Place::Unknown),
            ("layer.01.norm.bias", Place::Unknown),
            ("layer.-1.norm.bias", Place::Unknown),
            ("layer.0.normal.bias", Place::Unknown),
            ("clsx", Place::Unknown),
            ("bertlayer.0.norm.bias", Place::Unknown),
            ("", Place::Unknown),
        ] {
            assert_eq!(place(&RULES, "bert", name), want, "{name}");
        }
    }

    #[test]
    fn a_rule_is_applied_backwards_for_messages() {
        assert_eq!(original(&RULES, "blocks.7.attentionNorm.bias").as_deref(), Some("layer.7.norm.bias"));
        assert_eq!(original(&RULES, "embeddings.token").as_deref(), Some("embeddings.word.weight"));
        assert_eq!(original(&RULES, "head.weight"), None);
    }
}
