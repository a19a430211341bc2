//! How many bytes a forward of a model takes, and how many rows of it are computed at once.

use super::Model;
use crate::layers::{self, Shape};

impl Model {
    /// Bytes of the activations of one sample: every layer's output, once going forward and once coming back.
    pub(crate) fn activation_bytes(&self) -> u64 {
        let mut elements = 0;
        let network = &self.network;
        let visited = layers::walk(&network.architecture().layers, "", network.input(), &mut |_, _, _, output| {
            elements += output.elements() as u64;
            Ok(())
        });
        debug_assert!(visited.is_ok(), "the network was checked when it was made");
        let input = match network.input() {
            Shape::Dense(_) => network.input().elements() as u64,
            Shape::Ids(_) => 0,
        };
        4 * (input + 2 * elements)
    }

    /// Rows per forward outside training: as many as keep the activations below 64 MB, at most 256.
    pub(crate) fn rows_at_once(&self) -> usize {
        ((64 << 20) / self.activation_bytes().max(1)).clamp(1, 256) as usize
    }
}
