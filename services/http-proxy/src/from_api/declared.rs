//! One declared thing as a JSON object, with the keys of the file of declarations (spec 11). Never checks a reference or a range:
//! the node does, against the state.
//!
//! The keys are those that `ocsctl apply` reads. Called by the translation of POST and PATCH.

use outbound::{
    Refusal, RefusalCode,
    declaration::{
        CampaignList, CampaignLists, DeclaredCampaign, DeclaredField, DeclaredGroup, DeclaredList, DeclaredNames,
        DeclaredPair, DeclaredPairs,
    },
};
use serde_json::{Map, Value};

use crate::from_http::shown;

type Object = Map<String, Value>;

/// A list; `name`: the list of the path, which the body may repeat.
pub(super) fn list(object: &Object, name: Option<&str>) -> Result<DeclaredList, Refusal> {
    let mut reading = Reading { object, used: Vec::new(), place: "list" };
    let list = DeclaredList {
        name: reading.name(name)?,
        dbid: reading.number("dbid")?,
        tenant: reading.text("tenant")?,
        time_zone: reading.text("time_zone")?,
        customer_id: reading.text("customer_id")?,
        treatments: reading.names("treatments")?,
        calendar: reading.text("calendar")?,
        attempts_max: reading.number("attempts_max")?,
        unique_phone: reading.text("unique_phone")?,
        unknown_keys: reading.text("unknown_keys")?,
        zone_by_phone: reading.flag("zone_by_phone")?,
        callbacks_any_time: reading.flag("callbacks_any_time")?,
        send_attributes: reading.pairs("send_attributes")?,
        fields: reading.things("fields", field)?.unwrap_or_default(),
    };
    reading.check_all_known()?;
    Ok(list)
}

fn field(object: &Object) -> Result<DeclaredField, Refusal> {
    let mut reading = Reading { object, used: Vec::new(), place: "field" };
    let field = DeclaredField {
        column: reading.needed("name")?,
        kind: reading.text("type")?.unwrap_or_default(),
        default: reading.scalar("default")?,
        send_attribute: reading.text("send_attribute")?,
    };
    reading.check_all_known()?;
    Ok(field)
}

/// A campaign.
pub(super) fn campaign(object: &Object, name: Option<&str>) -> Result<DeclaredCampaign, Refusal> {
    let mut reading = Reading { object, used: Vec::new(), place: "campaign" };
    let campaign = DeclaredCampaign {
        name: reading.name(name)?,
        dbid: reading.number("dbid")?,
        tenant: reading.text("tenant")?,
        lists: reading.things("lists", campaign_list)?.map(|lists| CampaignLists { lists }),
    };
    reading.check_all_known()?;
    Ok(campaign)
}

fn campaign_list(object: &Object) -> Result<CampaignList, Refusal> {
    let mut reading = Reading { object, used: Vec::new(), place: "list of a campaign" };
    let list = CampaignList { list: reading.needed("list")?, weight: reading.number("weight")? };
    reading.check_all_known()?;
    Ok(list)
}

/// A campaign group.
pub(super) fn group(object: &Object) -> Result<DeclaredGroup, Refusal> {
    let mut reading = Reading { object, used: Vec::new(), place: "campaign group" };
    let group = DeclaredGroup {
        campaign: reading.needed("campaign")?,
        group: reading.needed("group")?,
        dbid: reading.number("dbid")?,
        desktop_chains_limit: reading.number("desktop_chains_limit")?,
    };
    reading.check_all_known()?;
    Ok(group)
}

/// An object whose members are read one by one.
struct Reading<'a> {
    object: &'a Object,
    used: Vec<&'static str>,
    /// The object, in words.
    place: &'static str,
}

impl<'a> Reading<'a> {
    /// The value of a member; `null` is absent.
    fn value<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        convert: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        self.used.push(key);
        match self.object.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let wrong = || bad(format!("{key} of a {} takes {wanted}", self.place));
                convert(value).map(Some).ok_or_else(wrong)
            }
        }
    }

    fn text(&mut self, key: &'static str) -> Result<Option<String>, Refusal> {
        self.value(key, "a text", |value| value.as_str().map(str::to_owned))
    }

    fn needed(&mut self, key: &'static str) -> Result<String, Refusal> {
        let text = self.text(key)?.filter(|text| !text.is_empty());
        let missing = || Refusal::new(RefusalCode::MissingAttribute, format!("a {} has no {key}", self.place));
        text.ok_or_else(missing)
    }

    /// The name in the body, or that of the path.
    fn name(&mut self, of_path: Option<&str>) -> Result<String, Refusal> {
        let Some(of_path) = of_path else { return self.needed("name") };
        match self.text("name")? {
            Some(name) if name != of_path => {
                Err(bad(format!("name is not {:?}, which the path means", shown(of_path))))
            }
            _ => Ok(of_path.to_owned()),
        }
    }

    fn number(&mut self, key: &'static str) -> Result<Option<u32>, Refusal> {
        let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        self.value(key, "a whole number from 0 to 4294967295", number)
    }

    fn flag(&mut self, key: &'static str) -> Result<Option<bool>, Refusal> {
        self.value(key, "true or false", Value::as_bool)
    }

    /// The text of a text, a number or a flag.
    fn scalar(&mut self, key: &'static str) -> Result<Option<String>, Refusal> {
        self.value(key, "a text or a number", |value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        })
    }

    fn names(&mut self, key: &'static str) -> Result<Option<DeclaredNames>, Refusal> {
        let names = |value: &Value| {
            let texts = value.as_array()?.iter().map(|value| value.as_str().map(str::to_owned));
            texts.collect::<Option<Vec<String>>>()
        };
        Ok(self.value(key, "an array of texts", names)?.map(|names| DeclaredNames { names }))
    }

    fn pairs(&mut self, key: &'static str) -> Result<Option<DeclaredPairs>, Refusal> {
        let pair = |(key, value): (&String, &Value)| {
            Some(DeclaredPair { key: key.clone(), value: value.as_str()?.to_owned() })
        };
        let pairs = |value: &Value| value.as_object()?.iter().map(pair).collect::<Option<Vec<_>>>();
        Ok(self.value(key, "an object of texts", pairs)?.map(|pairs| DeclaredPairs { pairs }))
    }

    fn things<T>(
        &mut self,
        key: &'static str,
        thing: fn(&Object) -> Result<T, Refusal>,
    ) -> Result<Option<Vec<T>>, Refusal> {
        let objects = |value: &'a Value| value.as_array()?.iter().map(Value::as_object).collect::<Option<Vec<_>>>();
        let Some(objects) = self.value(key, "an array of objects", objects)? else { return Ok(None) };
        objects.into_iter().map(thing).collect::<Result<_, _>>().map(Some)
    }

    fn check_all_known(&self) -> Result<(), Refusal> {
        let unknown = self.object.keys().find(|key| !self.used.contains(&key.as_str()));
        match unknown {
            None => Ok(()),
            Some(key) => {
                Err(bad(format!("{:?} is no key of a {}; there are {}", shown(key), self.place, self.used.join(", "))))
            }
        }
    }
}

fn bad(message: String) -> Refusal {
    Refusal::new(RefusalCode::BadValue, message)
}
