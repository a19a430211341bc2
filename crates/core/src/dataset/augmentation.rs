//! Random changes of a batch of images, keyed by (seed, epoch, sample id, view): splitting a batch changes nothing.
//!
//! ```text
//! out[c, y, x] = in[c, rows(y), columns(x)] + noise,    0 where the map points outside
//! ```
//!
//! Crop, shift and flip (in this order) are composed into one map, so that each image is copied once. Augmentation
//! changes the raw inputs, before any model normalises them. Evaluation does not augment.
//!
//! Source: crop and flip as in He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015,
//! arXiv:1512.03385, section 4.2. Where we differ: nowhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Dataset, gather::by_rows};
use crate::batch::{Batch, Features};
use crate::error::{Error, Result};
use crate::random::Key;
use crate::tensor::{self, DType};

/// Random changes of images `[channels, height, width]`, different for every sample and epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Augment {
    /// Pads the image and cuts out a part of the original size at a random position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    /// Moves the image by a random number of whole pixels and fills the gap with zeros.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift: Option<Shift>,
    /// Mirrors the image at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flip: Option<Flip>,
    /// Adds normally distributed noise to every number; rows may have any shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shift {
    /// Largest shift in each direction, in pixels; at least 1.
    pub pixels: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Crop {
    /// Pixels added on each side before the cut; at least 1.
    pub padding: u32,
    /// How the padding is filled. Default: `zeros`.
    #[serde(default)]
    pub fill: CropFill,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CropFill {
    #[default]
    Zeros,
    /// The outermost pixel, repeated.
    Edge,
    /// The image mirrored at its outermost pixel.
    Reflect,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Flip {
    /// Probability that left and right are swapped; 0…1. Default: 0.
    #[serde(default)]
    pub horizontal: f32,
    /// Probability that top and bottom are swapped; 0…1. Default: 0.
    #[serde(default)]
    pub vertical: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Noise {
    /// Standard deviation in the units of the inputs; above 0.
    pub std: f32,
}

impl Augment {
    pub fn is_empty(&self) -> bool {
        *self == Augment::default()
    }

    pub fn validate(&self) -> Result<()> {
        if matches!(self.shift, Some(Shift { pixels: 0 })) {
            return Err(Error::config("shift.pixels", "expected an integer of at least 1, got 0"));
        }
        if matches!(self.crop, Some(Crop { padding: 0, .. })) {
            return Err(Error::config("crop.padding", "expected an integer of at least 1, got 0"));
        }
        if let Some(Flip { horizontal, vertical }) = self.flip {
            for (path, chance) in [("flip.horizontal", horizontal), ("flip.vertical", vertical)] {
                if !(0.0..=1.0).contains(&chance) {
                    return Err(Error::config(path, format!("expected a number from 0 to 1, got {chance}")));
                }
            }
            if horizontal == 0.0 && vertical == 0.0 {
                return Err(Error::config("flip", "expected horizontal or vertical above 0, got 0 for both"));
            }
        }
        match self.noise {
            Some(Noise { std }) if !(std > 0.0 && std.is_finite()) => {
                Err(Error::config("noise.std", format!("expected a finite number above 0, got {std}")))
            }
            _ => Ok(()),
        }
    }

    /// Rejects options that are out of range or do not fit the inputs of `dataset`.
    pub fn check(&self, dataset: &Dataset) -> Result<()> {
        self.validate()?;
        if self.is_empty() {
            return Ok(());
        }
        let dense = matches!(dataset.columns().inputs, super::Inputs::F32 { .. } | super::Inputs::U8 { .. });
        self.fits(dense, &dataset.shape().unwrap_or_default())
    }

    fn fits(&self, dense: bool, shape: &[usize]) -> Result<()> {
        if !dense {
            return Err(Error::config("", "expected inputs that are numbers, got ids"));
        }
        let moves = [("crop", self.crop.is_some()), ("shift", self.shift.is_some()), ("flip", self.flip.is_some())];
        let Some((name, _)) = moves.into_iter().find(|(_, given)| *given) else { return Ok(()) };
        let &[_, height, width] = shape else {
            let message = format!("expected images [channels, height, width], got rows of shape {shape:?}");
            return Err(Error::config(name, message));
        };
        let (crop, shift) = (self.crop.as_ref().map_or(0, |c| c.padding), self.shift.as_ref().map_or(0, |s| s.pixels));
        for (path, pixels) in [("crop.padding", crop), ("shift.pixels", shift)] {
            if pixels as usize >= height.min(width) {
                let message = format!("expected fewer pixels than the image has, {height} × {width}, got {pixels}");
                return Err(Error::config(path, message));
            }
        }
        Ok(())
    }

    /// Changes the inputs of a batch in place: the tensor was created for this batch and has no other reader yet.
    pub(crate) fn apply(&self, batch: &Batch, seed: u64, view: &str) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let dense = match &batch.inputs {
            Features::Dense(tensor) if tensor.dtype() == DType::F32 => tensor,
            _ => return self.fits(false, &[]),
        };
        let shape = dense.dims().get(1..).unwrap_or_default().to_vec();
        self.fits(true, &shape)?;
        let key = Key::new(seed).with("augment").with(view).with(batch.epoch);
        let width = shape.iter().product::<usize>();
        tensor::update(dense, |values| {
            by_rows(values, width, |row, image| self.change(image, &shape, key.with(batch.ids[row])));
        })
    }

    fn change(&self, image: &mut [f32], shape: &[usize], key: Key) {
        if let (&[channels, height, width], true) = (shape, self.moves()) {
            let rows = self.map(height, key.with("rows"), self.flip.as_ref().map_or(0.0, |flip| flip.vertical));
            let columns = self.map(width, key.with("columns"), self.flip.as_ref().map_or(0.0, |flip| flip.horizontal));
            let source = image.to_vec();
            for channel in 0..channels {
                for (y, from_row) in rows.iter().enumerate() {
                    let target = &mut image[(channel * height + y) * width..][..width];
                    match from_row {
                        None => target.fill(0.0),
                        Some(from_row) => {
                            let line = &source[(channel * height + from_row) * width..][..width];
                            for (number, from) in target.iter_mut().zip(&columns) {
                                *number = from.map_or(0.0, |x| line[x]);
                            }
                        }
                    }
                }
            }
        }
        if let Some(Noise { std }) = self.noise {
            let mut noise = vec![0.0; image.len()];
            key.with("noise").fill_normal(&mut noise, 0.0, std);
            image.iter_mut().zip(noise).for_each(|(number, noise)| *number += noise);
        }
    }

    fn moves(&self) -> bool {
        self.crop.is_some() || self.shift.is_some() || self.flip.is_some()
    }

    /// For each position on one axis, the position it is read from; `None`: outside the image.
    fn map(&self, length: usize, key: Key, flip: f32) -> Vec<Option<usize>> {
        let end = length as i64;
        let within = |place: i64| (0..end).contains(&place).then_some(place as usize);
        let amount = |element: u64, most: u32| key.below(element, 2 * u64::from(most) + 1) as i64 - i64::from(most);
        let crop = self.crop.as_ref().map(|crop| (amount(0, crop.padding), crop.fill));
        let shift = self.shift.as_ref().map_or(0, |shift| amount(1, shift.pixels));
        let flipped = key.with("flip").uniform(0) < flip;
        let read = |place: i64| {
            // The map goes from a position in the result back to the source: it undoes flip, then shift, then crop.
            let place = if flipped { end - 1 - place } else { place };
            let place = within(place - shift)? as i64;
            match crop {
                None => within(place),
                Some((by, CropFill::Zeros)) => within(place + by),
                Some((by, CropFill::Edge)) => within((place + by).clamp(0, end - 1)),
                Some((by, CropFill::Reflect)) => {
                    let place = (place + by).abs();
                    within(if place >= end { 2 * (end - 1) - place } else { place })
                }
            }
        };
        (0..end).map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::Labels;

    /// Images [1, 4, 4] of the numbers 1 to 16.
    fn batch(rows: u64) -> Result<Batch> {
        let values = (0..rows).flat_map(|_| (1..=16).map(|value| value as f32)).collect();
        Ok(Batch {
            ids: (0..rows).collect(),
            epoch: 0,
            inputs: Features::Dense(tensor::from_vec(values, (rows as usize, 1, 4, 4))?),
            labels: Labels::None,
            row_weights: None,
            teacher_logits: None,
            pair: None,
        })
    }

    fn augmented(augment: &Augment, batch: &Batch, view: &str) -> Vec<Vec<f32>> {
        augment.apply(batch, 7, view).unwrap();
        let Features::Dense(tensor) = &batch.inputs else { panic!() };
        tensor.reshape((batch.rows(), 16)).unwrap().to_vec2().unwrap()
    }

    fn shown(path: &str, json: &str) -> (String, Augment) {
        (path.to_string(), serde_json::from_str(json).unwrap())
    }

    #[test]
    fn a_flip_mirrors_the_requested_share_of_images() {
        let original: Vec<f32> = (1..=16).map(|value| value as f32).collect();
        let mirror: Vec<f32> = original.chunks(4).flat_map(|line| line.iter().rev().copied()).collect();
        let over: Vec<f32> = original.chunks(4).rev().flatten().copied().collect();
        for (json, expected) in [(r#"{"flip":{"horizontal":0.3}}"#, mirror), (r#"{"flip":{"vertical":0.3}}"#, over)] {
            let images = augmented(&shown("", json).1, &batch(400).unwrap(), "main");
            let flipped = images.iter().filter(|image| **image == expected).count();
            assert!((90..150).contains(&flipped), "{flipped}");
            assert_eq!(images.iter().filter(|image| **image == original).count(), 400 - flipped);
        }
    }

    #[test]
    fn a_shift_moves_the_image_and_fills_the_gap_with_zeros() {
        let images = augmented(&shown("", r#"{"shift":{"pixels":1}}"#).1, &batch(300).unwrap(), "main");
        let mut seen = std::collections::BTreeSet::new();
        for image in images {
            let place = image.iter().position(|value| *value == 6.0).unwrap() as i64; // stays inside
            let (dy, dx) = (place / 4 - 1, place % 4 - 1);
            seen.insert((dy, dx));
            for (at, value) in image.iter().enumerate() {
                let (y, x) = (at as i64 / 4 - dy, at as i64 % 4 - dx);
                let inside = (0..4).contains(&y) && (0..4).contains(&x);
                assert_eq!(*value, if inside { (4 * y + x + 1) as f32 } else { 0.0 });
            }
        }
        assert_eq!(seen.len(), 9, "every shift of up to one pixel occurs");
    }

    #[test]
    fn a_crop_fills_its_padding_as_requested() {
        // The first line of an image that was moved down by one.
        let above = |fill: &str| {
            let augment = shown("", &format!(r#"{{"crop":{{"padding":1,"fill":"{fill}"}}}}"#)).1;
            let images = augmented(&augment, &batch(300).unwrap(), "main");
            let moved = |image: &&Vec<f32>| image[4..8] == [1.0, 2.0, 3.0, 4.0];
            images.iter().find(moved).map(|image| image[..4].to_vec()).unwrap()
        };
        assert_eq!(above("zeros"), [0.0; 4]);
        assert_eq!(above("edge"), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(above("reflect"), [5.0, 6.0, 7.0, 8.0]);
    }

    #[test]
    fn noise_has_the_requested_deviation_and_differs_by_sample_and_view() {
        let augment = shown("", r#"{"noise":{"std":0.5}}"#).1;
        let main = augmented(&augment, &batch(500).unwrap(), "main");
        let noise = |images: &[Vec<f32>]| -> Vec<f64> {
            images
                .iter()
                .flat_map(|image| image.iter().zip(1..).map(|(v, base)| f64::from(*v) - f64::from(base)))
                .collect()
        };
        let of_main = noise(&main);
        let variance = of_main.iter().map(|value| value * value).sum::<f64>() / of_main.len() as f64;
        assert!((variance - 0.25).abs() < 0.02, "{variance}");
        assert_ne!(main[0], main[1]);
        assert_ne!(main, augmented(&augment, &batch(500).unwrap(), "augmented"));
    }

    #[test]
    fn each_epoch_is_augmented_anew() {
        let augment = shown("", r#"{"noise":{"std":0.5}}"#).1;
        let (first, mut later) = (batch(2).unwrap(), batch(2).unwrap());
        later.epoch = 1;
        assert_ne!(augmented(&augment, &first, "main"), augmented(&augment, &later, "main"));
    }

    #[test]
    fn options_out_of_range_or_on_other_shapes_are_refused() {
        for (path, augment) in [
            shown("shift.pixels: expected an integer of at least 1, got 0", r#"{"shift":{"pixels":0}}"#),
            shown("crop.padding: expected an integer of at least 1, got 0", r#"{"crop":{"padding":0}}"#),
            shown("flip.vertical: expected a number from 0 to 1, got 2", r#"{"flip":{"vertical":2}}"#),
            shown("flip: expected horizontal or vertical above 0, got 0 for both", r#"{"flip":{}}"#),
            shown("noise.std: expected a finite number above 0, got -1", r#"{"noise":{"std":-1}}"#),
            shown("shift.pixels: expected fewer pixels than the image has, 4 × 4, got 4", r#"{"shift":{"pixels":4}}"#),
        ] {
            let refused = augment.validate().and_then(|()| augment.fits(true, &[1, 4, 4])).unwrap_err();
            assert_eq!(refused.to_string(), path);
        }
        let flip = shown("", r#"{"flip":{"horizontal":0.5}}"#).1;
        assert_eq!(
            flip.fits(true, &[784]).unwrap_err().to_string(),
            "flip: expected images [channels, height, width], got rows of shape [784]"
        );
        assert!(serde_json::from_str::<Augment>(r#"{"turn":{}}"#).is_err());
    }
}
