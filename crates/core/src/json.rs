//! A strict JSON reader for untrusted bytes.
//!
//! Unlike common parsers, it rejects duplicate keys, nesting above a limit, and any text after the value. Numbers with a
//! fraction are rounded correctly (by Rust's own parser), so that a float has the same bits after writing and reading. It
//! is a pull parser: the caller reads objects, lists and strings one by one, and the reader builds only the values that
//! the caller requests.
//!
//! Source: RFC 8259. Where we differ: duplicate keys are an error (section 4 permits them), and so are numbers outside
//! the range of f64.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use crate::error::{Code, Error, Result};

pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Position of the key that `object` returned last.
    key_at: usize,
    depth: usize,
    deepest: usize,
}

/// The structure of a JSON text, computed from its brackets before parsing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Outline {
    /// The deepest nesting of objects and lists.
    pub(crate) depth: usize,
    /// Number of objects directly inside the outermost object.
    pub(crate) second: usize,
}

/// Computes the outline without recursion or allocation; brackets inside strings do not count.
pub(crate) fn outline(bytes: &[u8]) -> Outline {
    let (mut depth, mut deepest, mut second, mut in_string, mut escaped) = (0usize, 0, 0, false, false);
    for &byte in bytes {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
                second += usize::from(depth == 2 && byte == b'{');
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Outline { depth: deepest, second }
}

pub(crate) fn depth(bytes: &[u8]) -> usize {
    outline(bytes).depth
}

/// Parses a complete JSON text whose objects and lists are nested at most `deepest` levels deep.
pub(crate) fn parse(text: &str, deepest: usize) -> Result<Value> {
    let mut reader = Reader::new(text, deepest);
    let value = reader.value()?;
    reader.end()?;
    Ok(value)
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, deepest: usize) -> Self {
        Reader::starting(text, 0, deepest)
    }

    /// Reads from a position that an earlier reader of the same text returned.
    pub(crate) fn starting(text: &'a str, at: usize, deepest: usize) -> Self {
        Reader { text, at, key_at: at, depth: 0, deepest }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn key_at(&self) -> usize {
        self.key_at
    }

    fn fail<T>(&self, expected: &str) -> Result<T> {
        let got = match self.text[self.at..].chars().next() {
            Some(character) => format!("{character:?}"),
            None => "the end".to_string(),
        };
        Err(Error::new(
            Code::InvalidFile,
            "",
            format!("expected {expected} at byte {} of the JSON, got {got}", self.at),
        ))
    }

    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Rejects anything except blanks after the value.
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.peek().is_none() { Ok(()) } else { self.fail("the end") }
    }

    fn enter(&mut self, open: u8, what: &str) -> Result<()> {
        if !self.take(open) {
            return self.fail(what);
        }
        self.depth += 1;
        if self.depth > self.deepest {
            let message = format!("expected JSON at most {} levels deep, got more", self.deepest);
            return Err(Error::new(Code::InvalidFile, "", message));
        }
        Ok(())
    }

    /// Calls `each` with every key, in order; `each` must read the value. Duplicate keys are not detected here.
    pub(crate) fn object(&mut self, mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<()>) -> Result<()> {
        self.enter(b'{', "an object")?;
        if !self.take(b'}') {
            loop {
                self.peek();
                self.key_at = self.at;
                let key = self.string()?;
                if !self.take(b':') {
                    return self.fail("':'");
                }
                each(self, key)?;
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return self.fail("',' or '}'");
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Calls `each` once for every element; `each` must read the value.
    pub(crate) fn list(&mut self, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.enter(b'[', "a list")?;
        if !self.take(b']') {
            loop {
                each(self)?;
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return self.fail("',' or ']'");
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads a string; it is borrowed from the text if it contains no escapes.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>> {
        if !self.take(b'"') {
            return self.fail("a string");
        }
        let mut out = Cow::Borrowed("");
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            out += &rest[..plain]; // if `out` is empty, this only borrows
            self.at += plain;
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    let character = self.escape()?;
                    out.to_mut().push(character);
                }
                _ => return self.fail("a closed string without control characters"),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let character = match self.text.as_bytes().get(self.at) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                let mut code = self.four_digits()?;
                if (0xD800..0xDC00).contains(&code) {
                    if !self.text[self.at..].starts_with("\\u") {
                        return self.fail("the second half of a surrogate pair");
                    }
                    self.at += 2;
                    let low = self.four_digits()?;
                    if !(0xDC00..0xE000).contains(&low) {
                        return self.fail("the second half of a surrogate pair");
                    }
                    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
                }
                return match char::from_u32(code) {
                    Some(character) => Ok(character),
                    None => self.fail("the escape of a Unicode character"),
                };
            }
            _ => return self.fail("an escape sequence"),
        };
        self.at += 1;
        Ok(character)
    }

    fn four_digits(&mut self) -> Result<u32> {
        let digits = self.text.get(self.at..self.at + 4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.fail("four hexadecimal digits"),
        }
    }

    /// The text of a number in JSON's grammar, and whether it has a fraction or an exponent.
    fn number_text(&mut self) -> Result<(&'a str, bool)> {
        self.peek();
        let (bytes, start) = (self.text.as_bytes(), self.at);
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let first = start + usize::from(bytes.get(start) == Some(&b'-'));
        let mut at = digits(first);
        if at == first || (bytes[first] == b'0' && at > first + 1) {
            return self.fail("a number");
        }
        let mut real = false;
        if bytes.get(at) == Some(&b'.') {
            let end = digits(at + 1);
            if end == at + 1 {
                return self.fail("a number");
            }
            (at, real) = (end, true);
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            let first = at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let end = digits(first);
            if end == first {
                return self.fail("a number");
            }
            (at, real) = (end, true);
        }
        self.at = at;
        Ok((&self.text[start..at], real))
    }

    /// Reads an integer of at least 0; `1.0` and `1e3` are rejected.
    pub(crate) fn whole(&mut self) -> Result<u64> {
        self.peek();
        let start = self.at;
        if let Ok((text, false)) = self.number_text()
            && let Ok(number) = text.parse()
        {
            return Ok(number);
        }
        self.at = start;
        let got: String = self.text[start..].chars().take_while(|c| !",]} \n".contains(*c)).take(24).collect();
        let message = format!("expected an integer of at least 0 at byte {start} of the JSON, got {got}");
        Err(Error::new(Code::InvalidFile, "", message))
    }

    fn number(&mut self) -> Result<Value> {
        let (text, real) = self.number_text()?;
        if !real {
            if let Ok(number) = text.parse::<u64>() {
                return Ok(Value::from(number));
            }
            if let Ok(number) = text.parse::<i64>() {
                return Ok(Value::from(number));
            }
        }
        match text.parse().ok().and_then(Number::from_f64) {
            Some(number) => Ok(Value::Number(number)),
            None => self.fail("the end of a number within the range of 64-bit floats"),
        }
    }

    /// Reads any value as a tree; a duplicate key is an error that names the key.
    pub(crate) fn value(&mut self) -> Result<Value> {
        match self.peek() {
            Some(b'{') => {
                let mut map = Map::new();
                self.object(|reader, key| {
                    if map.contains_key(&*key) {
                        return Err(twice(&key));
                    }
                    map.insert(key.into_owned(), reader.value()?);
                    Ok(())
                })?;
                Ok(Value::Object(map))
            }
            Some(b'[') => {
                let mut list = Vec::new();
                self.list(|reader| {
                    list.push(reader.value()?);
                    Ok(())
                })?;
                Ok(Value::Array(list))
            }
            Some(b'"') => self.string().map(|text| Value::String(text.into_owned())),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let words = [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)];
                for (word, value) in words {
                    if self.text[self.at..].starts_with(word) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                self.fail("a value")
            }
        }
    }
}

pub(crate) fn twice(key: &str) -> Error {
    let short: String = key.chars().take(64).collect();
    Error::new(Code::InvalidFile, "", format!("expected every key once, got {short:?} twice"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn valid_json_is_read() {
        let text = r#" {"a":[1,-2,3.5,1e3,-0.0],"b":{"c":null,"d":true,"e":false},"f":"\u00e9\ud83d\ude00\n\"/","g":18446744073709551615} "#;
        assert_eq!(parse(text, 8).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn invalid_json_is_rejected() {
        let bad = [
            "",
            " ",
            "{",
            "[1",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "{\"a\":}",
            "[1 2]",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "NaN",
            "Infinity",
            "-Infinity",
            "nul",
            "truefalse",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\n\"",
            "'a'",
            "1 2",
            "{}{}",
            "1e999",
            "[1]//",
            "\"\\u+041\"",
            "\u{feff}{}",
        ];
        for text in bad {
            assert!(parse(text, 8).is_err(), "{text:?} was accepted");
            assert!(serde_json::from_str::<Value>(text).is_err(), "serde_json accepts {text:?}");
        }
    }

    #[test]
    fn a_duplicate_key_is_rejected_by_name() {
        assert!(parse(r#"{"a":{"b":1,"b":1}}"#, 8).unwrap_err().message.contains("\"b\" twice"));
        assert!(parse(r#"{"\u0061":1,"a":1}"#, 8).is_err());
    }

    #[test]
    fn depth_is_limited_and_counted_outside_strings() {
        assert!(parse("[[[]]]", 3).is_ok());
        assert!(parse("[[[[]]]]", 3).unwrap_err().message.contains("3 levels"));
        assert_eq!(depth(br#"{"[[[\"[[":[{"a":"\\"}]}"#), 3);
        assert_eq!(depth(&vec![b'['; 1 << 20]), 1 << 20);
        assert_eq!(outline(br#"{"a":{"b":{}},"c":{},"d":[{}],"e":"{"}"#), Outline { depth: 3, second: 2 });
    }

    #[test]
    fn only_whole_numbers_in_range_are_read_as_such() {
        for (text, number) in
            [("0", Some(0)), ("18446744073709551615", Some(u64::MAX)), ("18446744073709551616", None), ("-1", None)]
                .into_iter()
                .chain([("1.0", None), ("1e3", None), ("\"1\"", None), ("NaN", None), ("", None)])
        {
            assert_eq!(Reader::new(text, 8).whole().ok(), number, "{text}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn a_written_value_is_read_with_the_same_bits(value in any_value()) {
            prop_assert_eq!(parse(&value.to_string(), 16).unwrap(), value);
        }

        #[test]
        fn text_of_json_letters_never_panics_and_agrees_with_another_parser(text in "[\\[\\]{}\",:0-9eE.\\\\u+ntrfalse -]{0,24}") {
            // This parser is stricter about duplicate keys and deep nesting, which texts this short seldom have.
            if let Ok(value) = parse(&text, 16) {
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{} was read as {}", text, value);
            }
        }

        #[test]
        fn any_text_gives_a_value_or_a_typed_error(text in any::<String>()) {
            if let Err(error) = parse(&text, 8) {
                prop_assert_eq!(error.code, Code::InvalidFile);
            }
        }
    }
}
