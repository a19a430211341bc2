//! Groups of teacher layers, one for each student layer that is generated from them.
//!
//! Layers of one role form a sequence in each model. The student's i-th is generated from the teacher's `l·i … l·(i+1)
//! − 1`, `l = floor(Lt / Ls)`. If both sequences change their shapes equally often, each run of one shape is a
//! separate sequence. The first layer comes from the first, the head from the head, and a norm from the norms that
//! follow the source layers of its preceding layer.
//!
//! Source: Lin and others, "Weight Distillation", 2021, arXiv:2009.09152. Where we differ: its code silently drops the
//! last `Lt − l·Ls` layers; here that is rejected, or they are spread.

use std::collections::{BTreeMap, BTreeSet};

use super::Remainder;
use super::slots::{End, Slot};
use crate::error::{Error, Result};

/// Student layer → teacher layers.
pub(super) type Groups = BTreeMap<String, Vec<String>>;

/// `settled` are the given groups; for the `open` slots, groups are chosen from the teacher's `free` layers.
pub(super) fn groups(
    settled: Groups,
    open: &[&Slot],
    free: &[&Slot],
    teacher: &[Slot],
    remainder: Remainder,
) -> Result<Groups> {
    let anchored = |slots: &[&Slot], is: bool| -> Vec<Slot> {
        slots.iter().filter(|slot| slot.anchor.is_some() == is).map(|slot| (*slot).clone()).collect()
    };
    let (own, theirs) = (anchored(open, false), anchored(free, false));
    let mut groups = in_order(&own.iter().collect::<Vec<_>>(), &theirs.iter().collect::<Vec<_>>(), remainder)?;
    groups.extend(settled);
    for slot in anchored(open, true) {
        let Some((before, place)) = &slot.anchor else { continue };
        let mut run = Vec::new();
        for layer in groups.get(before).into_iter().flatten() {
            let behind = Some((layer.clone(), place.clone()));
            let Some(found) = teacher.iter().find(|slot| slot.anchor == behind) else {
                return Err(missing(&slot, &format!("after {layer}")));
            };
            run.push(found.layer.clone());
        }
        if run.is_empty() {
            return Err(missing(&slot, &format!("after the layers that {before} is generated from")));
        }
        groups.insert(slot.layer, run);
    }
    Ok(groups)
}

fn missing(slot: &Slot, place: &str) -> Error {
    let message = format!(
        "expected a {} layer in the teacher {place} to generate it from, got none; name one with teacher: [...] in a \
         rule, or initialise it anew with rules: [{{ student: '{}', rule: {{ fresh: {{}} }} }}]",
        slot.kind, slot.layer
    );
    Error::config(&slot.layer, message)
}

fn in_order(student: &[&Slot], teacher: &[&Slot], remainder: Remainder) -> Result<Groups> {
    let mut groups = Groups::new();
    for end in [End::Input, End::Head] {
        let find = |slots: &[&Slot]| slots.iter().find(|slot| slot.end == Some(end)).map(|slot| (*slot).clone());
        if let (Some(own), Some(theirs)) = (find(student), find(teacher))
            && own.kind == theirs.kind
        {
            groups.insert(own.layer, vec![theirs.layer]);
        }
    }
    let used: BTreeSet<&String> = groups.values().flatten().collect();
    let student: Vec<&Slot> = student.iter().copied().filter(|slot| !groups.contains_key(&slot.layer)).collect();
    let teacher: Vec<&Slot> = teacher.iter().copied().filter(|slot| !used.contains(&slot.layer)).collect();
    // Names are more specific than positions, but the two models may use different names.
    let named = by_role(&teacher, Slot::named_role);
    let alike = student.iter().all(|slot| named.contains_key(&slot.named_role()));
    let role = |slot: &Slot| if alike { slot.named_role() } else { slot.role.clone() };
    let theirs = by_role(&teacher, role);
    for (role, own) in by_role(&student, role) {
        let none = Vec::new();
        let theirs = theirs.get(&role).unwrap_or(&none);
        let (own_stages, their_stages) = (stages(&own), stages(theirs));
        if own_stages.len() == their_stages.len() {
            for (own, theirs) in own_stages.iter().zip(&their_stages) {
                runs(own, theirs, remainder, &mut groups)?;
            }
        } else {
            runs(&own, theirs, remainder, &mut groups)?;
        }
    }
    Ok(groups)
}

fn by_role<'a>(slots: &[&'a Slot], role: impl Fn(&Slot) -> String) -> BTreeMap<String, Vec<&'a Slot>> {
    let mut roles: BTreeMap<String, Vec<&Slot>> = BTreeMap::new();
    for slot in slots {
        roles.entry(role(slot)).or_default().push(slot);
    }
    roles
}

/// Runs of adjacent layers with equal shapes.
fn stages<'a>(slots: &[&'a Slot]) -> Vec<Vec<&'a Slot>> {
    let mut stages: Vec<Vec<&Slot>> = Vec::new();
    for slot in slots {
        match stages.last_mut() {
            Some(stage) if stage[0].shapes() == slot.shapes() => stage.push(slot),
            _ => stages.push(vec![slot]),
        }
    }
    stages
}

/// Splits the teacher's sequence into one run per student layer.
fn runs(own: &[&Slot], theirs: &[&Slot], remainder: Remainder, groups: &mut Groups) -> Result<()> {
    let names = |slots: &[&Slot]| slots.iter().map(|slot| slot.layer.as_str()).collect::<Vec<_>>().join(", ");
    let Some(last) = own.last() else { return Ok(()) };
    let fresh = format!("rules: [{{ student: '{}', rule: {{ fresh: {{}} }} }}]", last.layer);
    if theirs.is_empty() {
        return Err(missing(last, "at the same position"));
    }
    if theirs.len() < own.len() {
        return Err(Error::config(
            &last.layer,
            format!(
                "expected at most {} layers, because the teacher has {}, got {} ({}): the student is deeper; \
                 initialise one anew with {fresh}",
                theirs.len(),
                names(theirs),
                own.len(),
                names(own)
            ),
        ));
    }
    let (each, more) = (theirs.len() / own.len(), theirs.len() % own.len());
    if more > 0 && remainder == Remainder::Refuse {
        return Err(Error::config(
            "remainder",
            format!(
                "expected a number of layers that divides the teacher's {} ({}), got {} ({}); \
                 with remainder: 'spread' the first ones use one more teacher layer each",
                theirs.len(),
                names(theirs),
                own.len(),
                names(own)
            ),
        ));
    }
    let mut rest = theirs;
    for (index, slot) in own.iter().enumerate() {
        let (run, later) = rest.split_at(each + usize::from(index < more));
        groups.insert(slot.layer.clone(), run.iter().map(|slot| slot.layer.clone()).collect());
        rest = later;
    }
    Ok(())
}
