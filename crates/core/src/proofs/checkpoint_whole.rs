//! The newest checkpoint can be read, and the last one could be written.

use super::proof::Proof;

pub(crate) struct CheckpointWhole;

impl Proof for CheckpointWhole {
    const NAME: &'static str = "checkpointWhole";
    const MEANING: &'static str = "When a run is resumed: a checkpoint in its folder is damaged (a digest, a length or \
        a key is wrong). The run resumes from the newest undamaged one; check the disk. At the end: the last \
        checkpoint could not be written. The student still gets its trained parameters, in every mode of `proofs`.";
    const EXAMPLE: &'static str = "step-00000012-6f1c9a3e.kd.safetensors: the checkpoint is damaged and was skipped: …";
}
