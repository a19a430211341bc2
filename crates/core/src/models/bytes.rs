//! The memory of a forward pass, and the number of rows that are computed at once.

use super::Model;
use crate::layers::{self, Shape};

/// Tokens of a row in these estimates, if their number differs from row to row.
const TOKENS: u64 = 64;

impl Model {
    /// Bytes of the activations of one sample: every layer's output, once in the forward and once in the backward pass.
    pub(crate) fn activation_bytes(&self) -> u64 {
        let mut elements = 0;
        let network = &self.network;
        let visited = layers::walk(&network.architecture().layers, "", network.input(), &mut |_, _, _, output| {
            elements += output.elements() as u64 * if matches!(output, Shape::Tokens(_)) { TOKENS } else { 1 };
            Ok(())
        });
        debug_assert!(visited.is_ok(), "the shapes were checked when the network was created");
        let input = match network.input() {
            Shape::Dense(_) => network.input().elements() as u64,
            Shape::Ids(_) | Shape::Tokens(_) => 0,
        };
        4 * (input + 2 * elements)
    }

    /// Rows per forward pass outside training: as many as fit in 64 MiB of activations, at most 256, at least 1.
    pub(crate) fn rows_at_once(&self) -> usize {
        ((64 << 20) / self.activation_bytes().max(1)).clamp(1, 256) as usize
    }
}
