//! Outputs equal those of transformers.

use std::collections::BTreeSet;

use super::*;
use crate::batch::Features;
use crate::layers::Mode;
use crate::models::Request;
use crate::random::Key;
use crate::tape::Tape;
use crate::tensor::to_f64;

/// Largest allowed difference, relative to the largest number of the original.
const NEAR: f64 = 1e-5;

/// The texts of a folder, and the outputs of the original.
struct Expected(Json);

impl Expected {
    fn of(name: &str) -> Expected {
        Expected(json_of(&golden(name).join("expected.json")))
    }

    /// Whether a token is one of its text, by row and position.
    fn mask(&self) -> Vec<Vec<bool>> {
        let rows = self.0["inputs"]["attention_mask"].as_array().unwrap().iter();
        rows.map(|row| row.as_array().unwrap().iter().map(|number| number == 1).collect()).collect()
    }

    fn texts(&self) -> Features {
        let (mut ids, mut offsets) = (Vec::new(), vec![0]);
        for (row, mask) in self.0["inputs"]["input_ids"].as_array().unwrap().iter().zip(self.mask()) {
            let kept = row.as_array().unwrap().iter().zip(mask).filter(|(_, kept)| *kept);
            ids.extend(kept.map(|(id, _)| id.as_u64().unwrap() as u32));
            offsets.push(ids.len() as u32);
        }
        Features::Ragged { ids, offsets, weights: None }
    }

    /// An output per token, without padding; row by row.
    fn tokens(&self, output: &str) -> Vec<Vec<Vec<f64>>> {
        let rows = self.0["outputs"][output].as_array().unwrap().iter().zip(self.mask());
        rows.map(|(row, mask)| {
            let kept = row.as_array().unwrap().iter().zip(mask).filter(|(_, kept)| *kept);
            kept.map(|(token, _)| list(token)).collect()
        })
        .collect()
    }

    fn rows(&self, output: &str) -> Vec<Vec<f64>> {
        self.0["outputs"][output].as_array().unwrap().iter().map(list).collect()
    }
}

fn list(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn expect_near(what: &str, got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(0.0f64, |largest, number| largest.max(number.abs()));
    let difference = got.iter().zip(want).fold(0.0f64, |most, (a, b)| most.max((a - b).abs()));
    assert!(largest > 0.0 && difference <= NEAR * largest, "{what}: {difference} of {largest}");
}

/// Outputs of these layers, and of the last one under the name `logits`.
fn outputs(read: &Pretrained, inputs: &Features, layers: &[&str]) -> BTreeMap<String, Vec<f64>> {
    let request =
        Request { hidden: layers.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>(), ..Request::default() };
    let bound = read.model.parameters.constants();
    let mut tape = Tape::default();
    let forward =
        read.model.network.forward(&mut tape, &bound, inputs, &[0, 1, 2], &request, Mode::Evaluate, Key::new(0));
    let forward = forward.unwrap();
    let mut all: BTreeMap<String, Vec<f64>> =
        forward.hidden.iter().map(|(name, value)| (name.clone(), to_f64(value.tensor()).unwrap())).collect();
    all.insert("logits".into(), to_f64(forward.logits.tensor()).unwrap());
    all
}

const HIDDEN: [(&str, &str); 3] =
    [("hidden.0", "embeddingNorm"), ("hidden.1", "blocks.0.feedForwardNorm"), ("hidden.2", "blocks.1.feedForwardNorm")];

#[test]
fn hidden_states_and_logits_equal_those_of_the_original() {
    for name in ["bert", "bert-classes", "distilbert-classes", "roberta-classes"] {
        let (expected, read) = (Expected::of(name), read(name));
        let got = outputs(&read, &expected.texts(), &HIDDEN.map(|(_, layer)| layer));
        for (output, layer) in HIDDEN {
            expect_near(&format!("{name} {output}"), &got[layer], &expected.tokens(output).concat().concat());
        }
        if name != "bert" {
            expect_near(name, &got["logits"], &expected.rows("logits").concat());
        }
    }
}

#[test]
fn without_a_head_the_output_is_the_mean_of_the_tokens() {
    let expected = Expected::of("bert");
    let states = expected.tokens("last_hidden_state");
    let mean = |row: &Vec<Vec<f64>>| -> Vec<f64> {
        (0..20).map(|column| row.iter().map(|token| token[column]).sum::<f64>() / row.len() as f64).collect()
    };
    let want: Vec<f64> = states.iter().flat_map(mean).collect();
    expect_near("mean", &outputs(&read("bert"), &expected.texts(), &[])["logits"], &want);
}

#[test]
fn the_first_layer_alone_gives_the_first_hidden_state() {
    let options = PretrainedOptions { layers: Some(vec![0]), ..Default::default() };
    let read = Pretrained::read(&golden("bert"), &options).unwrap();
    let expected = Expected::of("bert");
    let got = outputs(&read, &expected.texts(), &["blocks.0.feedForwardNorm"]);
    expect_near("hidden.1", &got["blocks.0.feedForwardNorm"], &expected.tokens("hidden.1").concat().concat());
}
