//! The layers of a network that own parameters, each with its role: layers of equal roles correspond.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::layers::{self, LayerOptions, Spec};
use crate::models::Network;

/// One layer with parameters.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Full name.
    pub layer: String,
    pub kind: &'static str,
    /// Kind, enclosing blocks, and the position inside them.
    pub role: String,
    /// Its tensors, with their names inside the layer.
    pub specs: Vec<Spec>,
    /// Whether it is a special layer that a model has only once.
    pub end: Option<End>,
    /// For a layer with only vectors, a norm: the preceding layer with a matrix in the same list, and the norm's
    /// position after it. They are matched together.
    pub anchor: Option<(String, String)>,
}

/// The ends of a network: their widths follow from the data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum End {
    /// The first layer with a matrix.
    Input,
    /// The last linear layer: its outputs are the classes.
    Head,
}

impl Slot {
    /// The role together with the name, in which `*` replaces numbers: `blocks.*.conv`.
    pub fn named_role(&self) -> String {
        let anonymous =
            |part: &str| if part.bytes().all(|byte| byte.is_ascii_digit()) { "*" } else { part }.to_string();
        let name: Vec<String> = self.layer.split('.').map(anonymous).collect();
        format!("{} {}", self.role, name.join("."))
    }

    /// Shapes of all its tensors; they are equal for all layers of one group.
    pub fn shapes(&self) -> Vec<(&str, &[usize])> {
        self.specs.iter().map(|spec| (spec.name.as_str(), spec.shape.as_slice())).collect()
    }
}

/// All layers with parameters, in the order of `layers::walk`.
pub(super) fn slots(network: &Network) -> Result<Vec<Slot>> {
    let mut specs: BTreeMap<String, Vec<Spec>> = BTreeMap::new();
    let architecture = network.architecture();
    layers::walk(&architecture.layers, "", network.input(), &mut |name, options, input, _| {
        specs.insert(name.to_string(), options.specs(input)?);
        Ok(())
    })?;
    let mut slots = Vec::new();
    collect(&architecture.layers, "", "", &mut specs, &mut slots);
    if let Some(first) = slots.iter_mut().find(|slot| has_matrix(&slot.specs)) {
        first.end = Some(End::Input);
    }
    if let Some(head) = network.head()
        && let Some(slot) = slots.iter_mut().find(|slot| slot.layer == head)
    {
        slot.end = Some(End::Head);
    }
    Ok(slots)
}

fn has_matrix(specs: &[Spec]) -> bool {
    specs.iter().any(|spec| spec.shape.len() > 1)
}

/// `role` is that of the block around this list, empty at the top: there, layers of one kind form one sequence; inside
/// a block each position is separate.
fn collect(
    list: &[LayerOptions],
    prefix: &str,
    role: &str,
    specs: &mut BTreeMap<String, Vec<Spec>>,
    slots: &mut Vec<Slot>,
) {
    let mut places: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut anchor: Option<(String, BTreeMap<&'static str, usize>)> = None;
    for (index, options) in list.iter().enumerate() {
        let (layer, kind) = (layers::name_at(prefix, index, options), options.kind());
        let place = places.entry(kind).or_default();
        let own = if role.is_empty() { kind.to_string() } else { format!("{role}/{kind}#{place}") };
        *place += 1;
        for (below, inner) in options.inner() {
            match below.is_empty() {
                true => collect(inner, &layer, &own, specs, slots),
                false => collect(inner, &format!("{layer}.{below}"), &format!("{own}/{below}"), specs, slots),
            }
        }
        let Some(specs) = specs.remove(&layer).filter(|specs| !specs.is_empty()) else { continue };
        let mut follows = None;
        if has_matrix(&specs) {
            anchor = Some((layer.clone(), BTreeMap::new()));
        } else if let Some((before, behind)) = &mut anchor {
            let count = behind.entry(kind).or_default();
            follows = Some((before.clone(), format!("{kind}#{count}")));
            *count += 1;
        }
        slots.push(Slot { layer, kind, role: own, specs, end: None, anchor: follows });
    }
}
