//! Patterns that match the names of parameters and layers.

/// Whether a pattern matches a name; `*` matches any text.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(head) else { return false };
    (0..=rest.len()).any(|start| rest.is_char_boundary(start) && matches(tail, &rest[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_matches_any_text() {
        for (pattern, name, want) in [
            ("*.bias", "head.bias", true),
            ("blocks.*.conv.*", "blocks.0.conv.weight", true),
            ("blocks.*.conv.*", "blocks.0.norm.weight", false),
            ("*", "anything", true),
            ("head", "head.bias", false),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
    }
}
