//! The request of a client: a verb on a resource, with attributes.

use crate::{Attributes, RULES_FIRST, RULES_WITH_CAMPAIGNS, RULES_WITH_PATCH, ids::Handle, key};

/// The kinds of resource in a path (spec 2).
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

    /// The aliases of the path's word.
    pub fn aliases(self) -> impl Iterator<Item = &'static str> {
        ALIASES.iter().filter(move |(_, kind)| *kind == self).map(|(alias, _)| *alias)
    }

    /// The type of a path's word, aliases included, in any case (spec 2, OURS).
    pub fn parse(word: &str) -> Option<Self> {
        let canonical = Self::ALL.into_iter().find(|kind| kind.word().eq_ignore_ascii_case(word));
        canonical.or_else(|| ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(word)).map(|(_, kind)| *kind))
    }
}

/// Aliases of the canonical words of a path (spec 2, OURS).
const ALIASES: [(&str, ResourceType); 6] = [
    ("phone", ResourceType::Phones),
    ("customerids", ResourceType::CustomerIds),
    ("customer-ids", ResourceType::CustomerIds),
    ("customers", ResourceType::CustomerIds),
    ("callinglists", ResourceType::Lists),
    ("campaign_groups", ResourceType::CampaignGroups),
];

/// The resource that a path names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A record by its handle.
    Record(Handle),
    /// A phone by its contact_info, as given.
    Phone(String),
    /// A customer by the customer-id field.
    Customer(String),
    /// A list by its name, or by its DBID if no list has that name.
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

    /// The resource of a type and an identifier; none: a handle that is no decimal number.
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

/// Attributes that every reply echoes and no rule reads (spec 5).
const ECHOED: [&str; 3] = [key::REFERENCE_ID, key::APPLICATION_ID, key::CAMPAIGN_NAME];

/// A row of the table of spec 5: a request name with its aliases, its resources, and the attributes that the rules read.
struct VerbRow {
    verb: Verb,
    name: &'static str,
    aliases: &'static [&'static str],
    on: &'static [ResourceType],
    /// The rules version that introduced the verb.
    since: u32,
    reads: bool,
    /// Mandatory attributes; `takes` has them too.
    needs: &'static [&'static str],
    /// Attributes that the rules read, beside those that repeat the path and those only echoed.
    takes: &'static [&'static str],
    /// Attributes that may repeat the path; a contradiction is refused.
    repeats: &'static [&'static str],
    /// Whether the verb sets user-defined fields.
    sets_fields: bool,
    /// The acknowledging event.
    event: &'static str,
}

/// The verb of a request: the requests of spec 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Adds a record to a list.
    AddRecord,
    /// Sets call result, attempts, user fields.
    UpdateCallCompletionStats,
    /// Ends an attempt: reschedules, treats or finalises the record.
    RecordProcessed,
    /// Sets the time of the next attempt.
    RecordReschedule,
    /// Sets another time for a callback.
    ScheduledRecordReschedule,
    /// Cancels a record, or the open records of a phone or customer.
    RequestRecordCancel,
    /// Enters a phone or customer into the Do-Not-Call list and marks its records.
    DoNotCall,
    /// Gives a record back that was handed out.
    RecordReject,
    /// The other records of a record's chain.
    ChainedRecordRequest,
    /// Hands out the next record of a campaign group.
    PreviewRecordRequest,
    /// The state of a campaign group.
    CampaignStatusRequest,
    /// Loads a campaign group.
    LoadCampaign,
    /// Starts dialling.
    StartDialing,
    /// Stops dialling.
    StopDialing,
    /// Unloads a campaign group once the group holds no record.
    UnloadCampaign,
    /// Unloads a campaign group and makes its records Ready again.
    ForceUnloadCampaign,
    /// `GET /records/<handle>` without `req`.
    GetRecord,
    /// Sets fields, window, zone and phone type of a Ready record. Without a request name: PATCH of the REST interface alone.
    PatchRecord,
}

const VERBS: [VerbRow; 18] = {
    use ResourceType::{CampaignGroups, CustomerIds, Lists, Phones, Records};
    const OF_AN_OPEN_RECORD: &[&str] =
        &[key::RECORD_HANDLE, key::PHONE, key::CALLING_LIST, key::CALLING_LIST_DBID, key::CALL_ATTEMPT_GUID];
    const RESCHEDULES: &[&str] = &[key::DATE_TIME, key::CALLBACK_TYPE, key::AGENT_ID, key::TZ_NAME, key::CALL_RESULT];
    const OF_SEVERAL: &[&str] =
        &[key::RECORD_HANDLE, key::PHONE, key::CUSTOMER_ID, key::CALLING_LIST_DBID, key::CALL_ATTEMPT_GUID];
    const OF_A_GROUP: &[&str] = &[key::CAMPAIGN_GROUP_NAME, key::CAMPAIGN_GROUP_DBID];
    /// A row without attributes, for a campaign group.
    const fn campaign(verb: Verb, name: &'static str, event: &'static str) -> VerbRow {
        VerbRow {
            verb,
            name,
            aliases: &[],
            on: &[CampaignGroups],
            since: RULES_WITH_CAMPAIGNS,
            reads: false,
            needs: &[],
            takes: &[],
            repeats: OF_A_GROUP,
            sets_fields: false,
            event,
        }
    }
    [
        VerbRow {
            verb: Verb::AddRecord,
            name: "AddRecord",
            aliases: &[],
            on: &[Lists],
            since: RULES_FIRST,
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
            since: RULES_FIRST,
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
            since: RULES_FIRST,
            reads: false,
            needs: &[],
            takes: &[key::CALL_RESULT, key::ATTEMPTS, key::TREATMENT],
            repeats: OF_AN_OPEN_RECORD,
            sets_fields: true,
            event: "RecordProcessedAcknowledge",
        },
        VerbRow {
            verb: Verb::RecordReschedule,
            name: "RecordReschedule",
            aliases: &["RescheduleRecord"],
            on: &[Records],
            since: RULES_WITH_CAMPAIGNS,
            reads: false,
            needs: &[key::DATE_TIME],
            takes: RESCHEDULES,
            repeats: OF_AN_OPEN_RECORD,
            sets_fields: true,
            event: "RecordRescheduleAcknowledge",
        },
        VerbRow {
            verb: Verb::ScheduledRecordReschedule,
            name: "ScheduledRecordReschedule",
            aliases: &[],
            on: &[Records],
            since: RULES_WITH_CAMPAIGNS,
            reads: false,
            needs: &[key::DATE_TIME],
            takes: RESCHEDULES,
            repeats: OF_AN_OPEN_RECORD,
            sets_fields: true,
            event: "ScheduledRecordRescheduleAcknowledge",
        },
        VerbRow {
            verb: Verb::RequestRecordCancel,
            name: "RequestRecordCancel",
            aliases: &["RecordCancel", "CancelRecord", "RecordCancelRequest"],
            on: &[Records, Phones, CustomerIds],
            since: RULES_WITH_CAMPAIGNS,
            reads: false,
            needs: &[],
            takes: &[key::CALLING_LIST, key::CHAIN_ATTR],
            repeats: OF_SEVERAL,
            sets_fields: false,
            event: "RecordCancelAcknowledge",
        },
        VerbRow {
            verb: Verb::DoNotCall,
            name: "DoNotCall",
            aliases: &["DoNotCallRecord"],
            on: &[Records, Phones, CustomerIds],
            since: RULES_FIRST,
            reads: false,
            needs: &[],
            takes: &[key::CALLING_LIST, key::CHAIN_ATTR, key::MESSAGE],
            repeats: OF_SEVERAL,
            sets_fields: false,
            event: "DoNotCallAcknowledge",
        },
        VerbRow {
            verb: Verb::RecordReject,
            name: "RecordReject",
            aliases: &[],
            on: &[Records],
            since: RULES_WITH_CAMPAIGNS,
            reads: false,
            needs: &[],
            takes: &[],
            repeats: OF_AN_OPEN_RECORD,
            sets_fields: true,
            event: "RecordRejectAcknowledge",
        },
        VerbRow {
            verb: Verb::ChainedRecordRequest,
            name: "ChainedRecordRequest",
            aliases: &[],
            on: &[Records],
            since: RULES_WITH_CAMPAIGNS,
            reads: true,
            needs: &[],
            takes: &[],
            repeats: OF_AN_OPEN_RECORD,
            sets_fields: false,
            event: "ChainedRecordsDataEnd",
        },
        VerbRow {
            takes: &[key::AGENT_ID],
            aliases: &["GetPreviewRecord"],
            ..campaign(Verb::PreviewRecordRequest, "PreviewRecordRequest", "PreviewRecord")
        },
        VerbRow {
            reads: true,
            aliases: &["GetCampaignStatus"],
            ..campaign(Verb::CampaignStatusRequest, "CampaignStatusRequest", "CampaignLoaded")
        },
        campaign(Verb::LoadCampaign, "LoadCampaign", "CampaignLoaded"),
        campaign(Verb::StartDialing, "StartDialing", "DialingStarted"),
        campaign(Verb::StopDialing, "StopDialing", "DialingStopped"),
        campaign(Verb::UnloadCampaign, "UnloadCampaign", "CampaignUnloaded"),
        campaign(Verb::ForceUnloadCampaign, "ForceUnloadCampaign", "CampaignUnloaded"),
        VerbRow {
            verb: Verb::GetRecord,
            name: "GetRecord",
            aliases: &[],
            on: &[Records],
            since: RULES_FIRST,
            reads: true,
            needs: &[],
            takes: &[],
            repeats: &[key::RECORD_HANDLE, key::PHONE],
            sets_fields: false,
            event: "Record",
        },
        VerbRow {
            verb: Verb::PatchRecord,
            name: "PatchRecord",
            aliases: &[],
            on: &[Records],
            since: RULES_WITH_PATCH,
            reads: false,
            needs: &[],
            takes: &[key::PHONE_TYPE, key::FROM, key::UNTIL, key::TZ_NAME],
            repeats: OF_AN_OPEN_RECORD,
            sets_fields: true,
            event: "PatchRecordAcknowledge",
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

    /// Whether `req` can name this verb; the others have a method of their own.
    pub const fn has_request_name(self) -> bool {
        !matches!(self, Self::GetRecord | Self::PatchRecord)
    }

    /// The canonical name.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The other names.
    pub fn aliases(self) -> &'static [&'static str] {
        self.row().aliases
    }

    /// The mandatory attributes.
    pub fn needs(self) -> &'static [&'static str] {
        self.row().needs
    }

    /// Attributes that the rules read, beside those that repeat the path and those only echoed.
    pub fn takes(self) -> &'static [&'static str] {
        self.row().takes
    }

    /// Attributes that may repeat the path; a contradiction is refused (spec 5).
    pub fn repeats(self) -> &'static [&'static str] {
        self.row().repeats
    }

    /// Whether this verb uses the attribute of a key, upper case: reads, compares with the path, or echoes.
    pub fn uses(self, key: &str) -> bool {
        let row = self.row();
        [row.takes, row.repeats, ECHOED.as_slice()].into_iter().flatten().any(|used| *used == key)
    }

    /// Whether this verb sets user-defined fields.
    pub fn sets_fields(self) -> bool {
        self.row().sets_fields
    }

    /// The acknowledging event.
    pub fn event(self) -> &'static str {
        self.row().event
    }

    /// Whether this verb only reads.
    pub fn reads(self) -> bool {
        self.row().reads
    }

    /// The resources of this verb.
    pub fn on(self) -> &'static [ResourceType] {
        self.row().on
    }

    /// The rules version that introduced this verb.
    pub const fn since(self) -> u32 {
        let mut at = 0;
        while at < VERBS.len() {
            if VERBS[at].verb as u8 == self as u8 {
                return VERBS[at].since;
            }
            at += 1;
        }
        RULES_FIRST
    }

    /// The verb of a name or alias, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let named = |row: &&VerbRow| {
            row.name.eq_ignore_ascii_case(name) || row.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
        };
        VERBS.iter().find(named).map(|row| row.verb)
    }

    /// The values of `req` on a resource, for messages.
    pub fn names_on(kind: ResourceType) -> Vec<&'static str> {
        let here = |row: &&VerbRow| row.on.contains(&kind) && row.verb.has_request_name();
        VERBS.iter().filter(here).map(|row| row.name).collect()
    }
}

/// The request of a client, translated, not yet stamped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The verb.
    pub verb: Verb,
    /// The resource.
    pub resource: Resource,
    /// The attributes, without the identifier of the path.
    pub attributes: Attributes,
    /// Empty: the default tenant.
    pub tenant: String,
    /// Empty: not authenticated.
    pub principal: String,
    /// The client's idempotency key, 1 to 255 bytes. Present: exactly once for as long as the state remembers keys.
    pub idempotency_key: Option<Vec<u8>>,
}

impl Request {
    /// The lowest rules version that decides this request: requests by phone and customer came later than those on a record.
    pub const fn rules_min(&self) -> u32 {
        match self.resource {
            Resource::Phone(_) | Resource::Customer(_) | Resource::CampaignGroup(_) => RULES_WITH_CAMPAIGNS,
            Resource::Record(_) | Resource::List(_) => self.verb.since(),
        }
    }
}
