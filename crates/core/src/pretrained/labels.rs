//! The classes of a classification model, from `num_labels`, `id2label` and `problem_type`.

use serde_json::Value as Json;

use super::config::Config;
use crate::error::Result;

/// Names that transformers gives to classes without names start like this.
const PLACEHOLDER: &str = "LABEL_";

/// The outputs of a classification head.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Classes {
    pub(crate) count: usize,
    /// One name per class; `None` if the folder has only placeholders (`LABEL_0`, …).
    pub(crate) names: Option<Vec<String>>,
    /// Whether a row may have several labels.
    pub(crate) several: bool,
}

impl Classes {
    pub(crate) fn read(config: &Config) -> Result<Classes> {
        let several = config.text("problem_type")? == Some("multi_label_classification");
        let Some(value) = config.get("id2label") else {
            // transformers does not write the default of two classes.
            let count = if config.get("num_labels").is_some() { config.size("num_labels")? } else { 2 };
            return Ok(Classes { count, names: None, several });
        };
        let unfit = || config.unfit("id2label", "an object of names with the keys \"0\", \"1\", …");
        let listed = value.as_object().filter(|listed| !listed.is_empty()).ok_or_else(unfit)?;
        let mut names = Vec::new();
        for class in 0..listed.len() {
            // The order of the keys is that of their numbers, not of their texts: "10" follows "9".
            names.push(match listed.get(&class.to_string()) {
                Some(Json::String(name)) => name.clone(),
                Some(Json::Number(name)) => name.to_string(),
                _ => return Err(unfit()),
            });
        }
        let placeholders = names.iter().enumerate().all(|(class, name)| *name == format!("{PLACEHOLDER}{class}"));
        Ok(Classes { count: names.len(), names: (!placeholders).then_some(names), several })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(json: Json) -> Result<Classes> {
        Classes::read(&Config::new(json).unwrap())
    }

    #[test]
    fn classes_are_in_the_order_of_their_numbers() {
        let labels: serde_json::Map<String, Json> = [10, 2, 0, 1, 11, 3, 9, 4, 8, 5, 7, 6]
            .into_iter()
            .map(|class| (class.to_string(), json!(format!("c{class}"))))
            .collect();
        let classes = read(json!({ "id2label": labels })).unwrap();
        let want: Vec<String> = (0..12).map(|class| format!("c{class}")).collect();
        assert_eq!((classes.count, classes.names), (12, Some(want)));
    }

    #[test]
    fn placeholders_are_no_names_and_the_default_is_two_classes() {
        let classes = |count, several| Classes { count, names: None, several };
        assert_eq!(read(json!({ "id2label": { "0": "LABEL_0" } })).unwrap(), classes(1, false));
        assert_eq!(read(json!({ "problem_type": "multi_label_classification" })).unwrap(), classes(2, true));
        assert_eq!(read(json!({ "num_labels": 7, "id2label": null })).unwrap(), classes(7, false));
    }

    #[test]
    fn keys_that_are_not_the_numbers_from_zero_are_refused() {
        for labels in
            [json!({}), json!({ "1": "a" }), json!({ "0": "a", "2": "b" }), json!({ "0": null }), json!(["a"])]
        {
            let error = read(json!({ "id2label": labels })).unwrap_err().to_string();
            assert!(error.starts_with("id2label: expected an object of names"), "{labels}: {error}");
        }
    }
}
