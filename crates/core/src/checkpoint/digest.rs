//! SHA-256 as text, for names and metadata of checkpoints.
//!
//! Source: FIPS 180-4. Where we differ: nowhere; the `sha2` crate computes it.

use sha2::{Digest, Sha256};

/// A digest that is computed piece by piece.
#[derive(Clone, Default)]
pub(crate) struct Digester(Sha256);

impl Digester {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// 64 lower-case hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0.finalize() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('?'));
            }
        }
        text
    }
}

pub(crate) fn of(bytes: &[u8]) -> String {
    let mut digester = Digester::default();
    digester.add(bytes);
    digester.finish()
}

#[cfg(test)]
mod tests {
    #[test]
    fn equals_the_standards_example() {
        assert_eq!(super::of(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
