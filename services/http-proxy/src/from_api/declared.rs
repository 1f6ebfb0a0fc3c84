//! The declaration of one thing as a JSON object, under the keys of the file of declarations (spec 11): the crate `declarations` reads
//! both. Never checks a reference or a range: the node does, against the state.
//!
//! Called by the translation of POST and PATCH.

use outbound::{Refusal, RefusalCode, declaration::Declaration};
use serde_json::{Map, Value};

use crate::from_http::shown;

/// Letters of a refusal; a name in a body may be long.
const MESSAGE_LETTERS_MAX: usize = 600;
/// The key of a name that the path may give.
const NAME: &str = "name";

/// A kind of declared things.
pub(super) struct Kind {
    /// The key of its tables in a file.
    word: &'static str,
    /// The keys whose values name a thing.
    names: &'static [&'static str],
}

pub(super) const LIST: Kind = Kind { word: "lists", names: &[NAME] };
pub(super) const CAMPAIGN: Kind = Kind { word: "campaigns", names: &[NAME] };
pub(super) const GROUP: Kind = Kind { word: "campaign_groups", names: &["campaign", "group"] };

/// The declaration of one thing; `name`: that of the path, which the body may repeat.
pub(super) fn thing(kind: &Kind, mut object: Map<String, Value>, name: Option<&str>) -> Result<Declaration, Refusal> {
    if let Some(name) = name {
        let repeats = match object.get(NAME) {
            None | Some(Value::Null) => true,
            Some(given) => given == name,
        };
        if !repeats {
            return Err(bad(format!("name is not {:?}, which the path means", shown(name))));
        }
        object.insert(NAME.to_owned(), Value::from(name));
    }
    let is_absent = |key: &str| match object.get(key) {
        None | Some(Value::Null) => true,
        Some(value) => value == "",
    };
    if let Some(key) = kind.names.iter().find(|key| is_absent(key)) {
        return Err(Refusal::new(RefusalCode::MissingAttribute, format!("the body has no {key}")));
    }
    declarations::of_json(kind.word, &object).map_err(|fault| bad(fault.sentence()))
}

fn bad(message: String) -> Refusal {
    let short: String = message.chars().take(MESSAGE_LETTERS_MAX).collect();
    Refusal::new(RefusalCode::BadValue, short)
}
