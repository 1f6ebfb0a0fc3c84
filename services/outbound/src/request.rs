//! What a client asked: a verb on a resource, with attributes.

use crate::{Attributes, ids::Handle, key};

/// The kinds of resource a path can name (spec 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceType {
    /// `records/<handle>`
    Records,
    /// `phones/<contact_info>`
    Phones,
    /// `customer_ids/<customer id>`
    CustomerIds,
    /// `lists/<name or DBID>`
    Lists,
    /// `campaigngroups/<DBID or Campaign@Group>`
    CampaignGroups,
}

impl ResourceType {
    /// All, in the order of the specification.
    pub const ALL: [Self; 5] = [Self::Records, Self::Phones, Self::CustomerIds, Self::Lists, Self::CampaignGroups];

    /// The canonical word of the path.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Phones => "phones",
            Self::CustomerIds => "customer_ids",
            Self::Lists => "lists",
            Self::CampaignGroups => "campaigngroups",
        }
    }

    /// The other words of the path that mean this type.
    pub fn aliases(self) -> impl Iterator<Item = &'static str> {
        ALIASES.iter().filter(move |(_, kind)| *kind == self).map(|(alias, _)| *alias)
    }

    /// The type that a word of a path means; aliases and any case are taken (spec 2, OURS).
    pub fn parse(word: &str) -> Option<Self> {
        let canonical = Self::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(word));
        canonical.or_else(|| ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(word)).map(|(_, kind)| *kind))
    }
}

/// Words of a path beside the canonical ones (spec 2, OURS).
const ALIASES: [(&str, ResourceType); 6] = [
    ("phone", ResourceType::Phones),
    ("customerids", ResourceType::CustomerIds),
    ("customer-ids", ResourceType::CustomerIds),
    ("customers", ResourceType::CustomerIds),
    ("callinglists", ResourceType::Lists),
    ("campaign_groups", ResourceType::CampaignGroups),
];

/// What the path names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A record by its handle.
    Record(Handle),
    /// A phone by its contact_info, as given.
    Phone(String),
    /// A customer by the customer-id field.
    Customer(String),
    /// A list by its name, or by its DBID where no list bears that name.
    List(String),
    /// A campaign group by its DBID or `Campaign@Group`.
    CampaignGroup(String),
}

impl Resource {
    /// Its type.
    pub const fn kind(&self) -> ResourceType {
        match self {
            Self::Record(_) => ResourceType::Records,
            Self::Phone(_) => ResourceType::Phones,
            Self::Customer(_) => ResourceType::CustomerIds,
            Self::List(_) => ResourceType::Lists,
            Self::CampaignGroup(_) => ResourceType::CampaignGroups,
        }
    }

    /// The decoded identifier.
    pub fn identifier(&self) -> String {
        match self {
            Self::Record(handle) => handle.to_string(),
            Self::Phone(text) | Self::Customer(text) | Self::List(text) | Self::CampaignGroup(text) => text.clone(),
        }
    }

    /// Puts a type and an identifier together; none if a handle is not decimal digits.
    pub fn new(kind: ResourceType, identifier: &str) -> Option<Self> {
        let text = || identifier.to_owned();
        Some(match kind {
            ResourceType::Records => Self::Record(parse_handle(identifier)?),
            ResourceType::Phones => Self::Phone(text()),
            ResourceType::CustomerIds => Self::Customer(text()),
            ResourceType::Lists => Self::List(text()),
            ResourceType::CampaignGroups => Self::CampaignGroup(text()),
        })
    }
}

fn parse_handle(identifier: &str) -> Option<Handle> {
    let digits = !identifier.is_empty() && identifier.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| identifier.parse().ok()).flatten().map(Handle)
}

/// Attributes that every request takes, gets back and decides nothing by (spec 5).
const ECHOED: [&str; 3] = [key::REFERENCE_ID, key::APPLICATION_ID, key::CAMPAIGN_NAME];

/// A request name with its aliases, the resources it works on, and the attributes that the rules read: one row of the table of spec 5.
struct VerbRow {
    verb: Verb,
    name: &'static str,
    aliases: &'static [&'static str],
    on: &'static [ResourceType],
    reads: bool,
    /// Attributes without which the request is refused; they stand in `takes` too.
    needs: &'static [&'static str],
    /// Attributes that the rules read, beside those that repeat the path and those that are only echoed.
    takes: &'static [&'static str],
    /// Attributes that may repeat the path, and are refused where they say something else.
    repeats: &'static [&'static str],
    /// Whether it sets user-defined fields.
    sets_fields: bool,
    /// The event that acknowledges it.
    event: &'static str,
}

/// What is asked. Only what this version answers is here; the rest of spec 5 joins this table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Adds a record to a list.
    AddRecord,
    /// Sets call result, attempts, user fields.
    UpdateCallCompletionStats,
    /// Finalises a record and its chain.
    RecordProcessed,
    /// Enters a phone into the Do-Not-Call list and marks its records.
    DoNotCall,
    /// `GET /records/<handle>` without `req`.
    GetRecord,
}

const VERBS: [VerbRow; 5] = {
    use ResourceType::{Lists, Records};
    const OF_AN_OPEN_RECORD: &[&str] = &[key::RECORD_HANDLE, key::PHONE, key::CALLING_LIST, key::CALLING_LIST_DBID];
    [
        VerbRow {
            verb: Verb::AddRecord,
            name: "AddRecord",
            aliases: &[],
            on: &[Lists],
            reads: false,
            needs: &[key::PHONE],
            takes: &[
                key::PHONE,
                key::PHONE_TYPE,
                key::RECORD_TYPE,
                key::RECORD_STATUS,
                key::CALL_RESULT,
                key::ATTEMPTS,
                key::DATE_TIME,
                key::CALL_TIME,
                key::FROM,
                key::UNTIL,
                key::TZ_NAME,
                key::AGENT_ID,
                key::CHAIN_ID,
            ],
            repeats: &[key::CALLING_LIST, key::CALLING_LIST_DBID],
            sets_fields: true,
            event: "AddRecordAcknowledge",
        },
        VerbRow {
            verb: Verb::UpdateCallCompletionStats,
            name: "UpdateCallCompletionStats",
            aliases: &["UpdateRecord"],
            on: &[Records],
            reads: false,
            needs: &[],
            takes: &[key::CALL_RESULT, key::ATTEMPTS],
            repeats: OF_AN_OPEN_RECORD,
            sets_fields: true,
            event: "UpdateCallCompletionStatsAcknowledge",
        },
        VerbRow {
            verb: Verb::RecordProcessed,
            name: "RecordProcessed",
            aliases: &[],
            on: &[Records],
            reads: false,
            needs: &[],
            takes: &[key::CALL_RESULT, key::ATTEMPTS, key::TREATMENT],
            repeats: OF_AN_OPEN_RECORD,
            sets_fields: true,
            event: "RecordProcessedAcknowledge",
        },
        VerbRow {
            verb: Verb::DoNotCall,
            name: "DoNotCall",
            aliases: &["DoNotCallRecord"],
            on: &[Records],
            reads: false,
            needs: &[],
            takes: &[key::CALLING_LIST, key::CHAIN_ATTR, key::MESSAGE],
            repeats: &[key::RECORD_HANDLE, key::PHONE],
            sets_fields: false,
            event: "DoNotCallAcknowledge",
        },
        VerbRow {
            verb: Verb::GetRecord,
            name: "GetRecord",
            aliases: &[],
            on: &[Records],
            reads: true,
            needs: &[],
            takes: &[],
            repeats: &[key::RECORD_HANDLE, key::PHONE],
            sets_fields: false,
            event: "Record",
        },
    ]
};

impl Verb {
    fn row(self) -> &'static VerbRow {
        VERBS.iter().find(|row| row.verb == self).expect("every verb has a row")
    }

    /// All, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        VERBS.iter().map(|row| row.verb)
    }

    /// The canonical name.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The other names.
    pub fn aliases(self) -> &'static [&'static str] {
        self.row().aliases
    }

    /// Attributes without which it is refused.
    pub fn needs(self) -> &'static [&'static str] {
        self.row().needs
    }

    /// Attributes that the rules read, beside those that repeat the path and those that are only echoed.
    pub fn takes(self) -> &'static [&'static str] {
        self.row().takes
    }

    /// Attributes that may repeat the path, and are refused where they contradict it (spec 5).
    pub fn repeats(self) -> &'static [&'static str] {
        self.row().repeats
    }

    /// Whether an attribute of this key, upper case, means anything to it: read, compared with the path, or echoed.
    pub fn uses(self, key: &str) -> bool {
        let row = self.row();
        [row.takes, row.repeats, ECHOED.as_slice()].into_iter().flatten().any(|used| *used == key)
    }

    /// Whether it sets user-defined fields.
    pub fn sets_fields(self) -> bool {
        self.row().sets_fields
    }

    /// The event that acknowledges it.
    pub fn event(self) -> &'static str {
        self.row().event
    }

    /// Whether it only reads.
    pub fn reads(self) -> bool {
        self.row().reads
    }

    /// The resources it works on.
    pub fn on(self) -> &'static [ResourceType] {
        self.row().on
    }

    /// The verb that a name or alias means, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let named = |row: &&VerbRow| {
            row.name.eq_ignore_ascii_case(name) || row.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
        };
        VERBS.iter().find(named).map(|row| row.verb)
    }

    /// The names that `req` may have on a resource, for messages.
    pub fn names_on(kind: ResourceType) -> Vec<&'static str> {
        let here = |row: &&VerbRow| row.on.contains(&kind) && row.verb != Verb::GetRecord;
        VERBS.iter().filter(here).map(|row| row.name).collect()
    }
}

/// What a client asked, translated, not yet stamped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub verb: Verb,
    /// On what.
    pub resource: Resource,
    /// With which attributes; the identifying one is not repeated here.
    pub attributes: Attributes,
    /// Empty: the default tenant.
    pub tenant: String,
    /// Empty: not authenticated.
    pub principal: String,
    /// 1 to 255 bytes. Present: exactly once for as long as keys are remembered.
    pub idempotency_key: Option<Vec<u8>>,
}
