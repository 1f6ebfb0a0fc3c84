//! Rules version and options of the rules in the state (spec 11): these values decide, even where a node's file differs.
//!
//! A single table has the key, default and range of every option. Each option belongs to a rules version, since two releases
//! with different options decide differently. The first settings have the options of rules version 2; an option of a later version
//! is in the row once an operator has set the option, and the default counts before. Unknown options of later releases stay
//! unchanged. Never reads a configuration. Called by the verbs that change settings, by every command for its options, and by the
//! node for display and comparison.

use outbound::{RULES_WITH_AUDIT, RULES_WITH_OUTBOX, RULES_WITH_SETTINGS, Refusal, RefusalCode, Setting, effect_kind};

use crate::rules::Rules;

/// An option (spec 11).
struct Spec {
    key: &'static str,
    default: &'static str,
    /// The rules version that introduced the option.
    since: u32,
    kind: Kind,
}

/// The values of an option.
enum Kind {
    /// Decimal digits.
    Number { min: u64, max: u64 },
    /// Names of hosts, separated by commas; none: empty.
    Hosts,
    /// Names of kinds of effects, separated by commas; none: empty.
    Effects,
}

/// Largest value of most numbers: seconds or hours.
const NUMBER_MAX: u64 = 1_000_000_000;
/// The replay window answers from the replies of request ids, which live for a minute.
const REPLAY_WINDOW_MS_MAX: u64 = 60_000;
/// Largest limit of the outbox, rows.
const OUTBOX_ROWS_MAX_MAX: u64 = 10_000_000;
/// Longest time for which the audit is kept, days: a century.
const AUDIT_DAYS_MAX: u64 = 36_500;
/// Microseconds of a day.
const DAY_US: u64 = 86_400_000_000;
/// Names in an option of host names, at most.
const HOSTS_MAX: usize = 100;
/// Longest name of a host, bytes.
const HOST_BYTES_MAX: usize = 253;

/// Keys of the options that decisions read today.
pub(crate) const REPLAY_WINDOW_MS: &str = "replay_window_ms";
pub(crate) const IDEMPOTENCY_HOURS: &str = "idempotency_hours";
pub(crate) const IDEMPOTENCY_KEYS_MAX: &str = "idempotency_keys_max";
pub(crate) const RECORDS_PER_REQUEST_MAX: &str = "records_per_request_max";
pub(crate) const OUTBOX_EFFECTS: &str = "outbox_effects";
pub(crate) const OUTBOX_ROWS_MAX: &str = "outbox_rows_max";
pub(crate) const RETRIEVED_TIMEOUT: &str = "retrieved_timeout";
pub(crate) const REJECT_PAUSE: &str = "reject_pause";
pub(crate) const PERSONAL_CALLBACK_GRACE: &str = "personal_callback_grace";
pub(crate) const CALLBACK_EXPIRY: &str = "callback_expiry";
pub(crate) const APPLICATION_ID: &str = "application_id";
pub(crate) const AUDIT_DAYS: &str = "audit_days";

/// All options, sorted by key.
const SPECS: [Spec; 13] = [
    number(APPLICATION_ID, "0", 0, i32::MAX as u64),
    Spec {
        key: AUDIT_DAYS,
        default: "365",
        since: RULES_WITH_AUDIT,
        kind: Kind::Number { min: 1, max: AUDIT_DAYS_MAX },
    },
    number(CALLBACK_EXPIRY, "0", 0, NUMBER_MAX),
    number(IDEMPOTENCY_HOURS, "24", 1, NUMBER_MAX),
    number(IDEMPOTENCY_KEYS_MAX, "20000000", 1, i64::MAX as u64),
    Spec { key: OUTBOX_EFFECTS, default: "", since: RULES_WITH_OUTBOX, kind: Kind::Effects },
    Spec {
        key: OUTBOX_ROWS_MAX,
        default: "100000",
        since: RULES_WITH_OUTBOX,
        kind: Kind::Number { min: 1, max: OUTBOX_ROWS_MAX_MAX },
    },
    number(PERSONAL_CALLBACK_GRACE, "1800", 0, NUMBER_MAX),
    number(RECORDS_PER_REQUEST_MAX, "1000", 1, u32::MAX as u64),
    number(REJECT_PAUSE, "60", 1, NUMBER_MAX),
    number(REPLAY_WINDOW_MS, "5000", 0, REPLAY_WINDOW_MS_MAX),
    number(RETRIEVED_TIMEOUT, "1800", 1, NUMBER_MAX),
    Spec { key: "webhook_allow", default: "", since: RULES_WITH_SETTINGS, kind: Kind::Hosts },
];

const fn number(key: &'static str, default: &'static str, min: u64, max: u64) -> Spec {
    Spec { key, default, since: RULES_WITH_SETTINGS, kind: Kind::Number { min, max } }
}

impl Spec {
    fn of(key: &str) -> Option<&'static Self> {
        SPECS.iter().find(|spec| spec.key == key)
    }

    fn by_default(&self) -> Setting {
        Setting { key: self.key.to_owned(), value: self.default.to_owned() }
    }

    /// The canonical text of a value; none: the text is no value of this option.
    fn canonical(&self, value: &str) -> Option<String> {
        match self.kind {
            Kind::Number { min, max } => {
                let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                let number: u64 = value.parse().ok().filter(|_| digits)?;
                (min..=max).contains(&number).then(|| number.to_string())
            }
            Kind::Hosts => {
                let hosts: Vec<&str> = value.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
                (hosts.len() <= HOSTS_MAX && hosts.iter().all(|host| is_host(host))).then(|| hosts.join(","))
            }
            Kind::Effects => {
                let kinds = kinds_of(value)?;
                let names =
                    effect_kind::ALL.iter().filter(|(kind, _)| kinds & (1u32 << *kind) != 0).map(|(_, name)| *name);
                Some(names.collect::<Vec<_>>().join(","))
            }
        }
    }

    fn expected(&self) -> String {
        match self.kind {
            Kind::Number { min, max } => format!("takes a number from {min} to {max}"),
            Kind::Hosts => format!("takes at most {HOSTS_MAX} names of hosts, separated by commas"),
            Kind::Effects => {
                let names = effect_kind::ALL.map(|(_, name)| name).join(", ");
                format!("takes names of effects, separated by commas, out of {names}")
            }
        }
    }
}

/// The bits of the kinds with these names; none: a name is no kind's.
fn kinds_of(names: &str) -> Option<u32> {
    let mut names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.try_fold(0, |kinds, name| Some(kinds | (1u32 << effect_kind::named(name)?)))
}

fn is_host(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    name.len() <= HOST_BYTES_MAX && name.bytes().all(letter)
}

/// Rules version and options of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    rules_version: u32,
    release: String,
    /// Sorted by key, in canonical form; options unknown to this release included.
    values: Vec<Setting>,
    counts: Counts,
}

/// The options that decisions read, parsed once: every command reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    replay_window_us: u64,
    idempotency_window_us: u64,
    idempotency_keys_max: u64,
    records_per_request_max: u64,
    outbox_effects: u32,
    outbox_rows_max: u64,
    retrieved_timeout_s: u64,
    reject_pause_s: u64,
    personal_callback_grace_s: u64,
    callback_expiry_s: u64,
    application_id: i64,
    audit_window_us: u64,
}

impl Settings {
    /// The first settings of a group: the given values, and defaults for the rest.
    ///
    /// # Errors
    /// BAD_VALUE, as [`Settings::with`].
    pub fn first(rules_version: u32, release: &str, given: &[Setting]) -> Result<Self, Refusal> {
        let specs = SPECS.iter().filter(|spec| spec.since <= RULES_WITH_SETTINGS);
        let defaults = Self::new(rules_version, release.to_owned(), specs.map(Spec::by_default).collect());
        defaults.with(given)
    }

    /// Settings as the state holds them: `values` are sorted by key and in canonical form.
    pub(crate) fn new(rules_version: u32, release: String, values: Vec<Setting>) -> Self {
        let counts = Counts::of(&values);
        Self { rules_version, release, values, counts }
    }

    /// These settings with some options changed, all or none.
    ///
    /// # Errors
    /// BAD_VALUE: an unknown key, a value out of range, a repeated key.
    pub fn with(&self, changes: &[Setting]) -> Result<Self, Refusal> {
        let mut values = self.values.clone();
        for (at, change) in changes.iter().enumerate() {
            if changes[..at].iter().any(|other| other.key == change.key) {
                return Err(bad_value(&change.key, "is there twice"));
            }
            let value = check_setting(self.rules_version, &change.key, &change.value)?;
            match values.iter_mut().find(|setting| setting.key == change.key) {
                Some(setting) => setting.value = value,
                None => values.push(Setting { key: change.key.clone(), value }),
            }
        }
        values.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(Self::new(self.rules_version, self.release.clone(), values))
    }

    /// The values before a change: all values of the row, and the defaults of changed options that were never set.
    pub(crate) fn values_before(&self, changes: &[Setting]) -> Vec<Setting> {
        let unset = changes.iter().filter(|change| self.value(&change.key).is_none());
        let later = unset.filter_map(|change| Spec::of(&change.key)).filter(|spec| spec.since > RULES_WITH_SETTINGS);
        self.values.iter().cloned().chain(later.map(Spec::by_default)).collect()
    }

    /// These settings under a higher rules version, raised by `release`.
    pub(crate) fn raised(&self, rules_version: u32, release: &str) -> Self {
        Self { rules_version, release: release.to_owned(), ..self.clone() }
    }

    /// The rules version of the group's decisions.
    pub fn rules_version(&self) -> u32 {
        self.rules_version
    }

    /// The release that raised the group to this version.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Every option and its value, sorted by key.
    pub fn values(&self) -> &[Setting] {
        &self.values
    }

    /// The value of an option.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values.iter().find(|setting| setting.key == key).map(|setting| setting.value.as_str())
    }

    /// Every option that the rules version has, with its value in effect, sorted by key.
    pub(crate) fn in_effect(&self) -> Vec<Setting> {
        let specs = SPECS.iter().filter(|spec| spec.since <= self.rules_version);
        let value = |spec: &Spec| {
            let set = self.values.iter().find(|setting| setting.key == spec.key);
            set.cloned().unwrap_or_else(|| spec.by_default())
        };
        specs.map(value).collect()
    }

    /// The options in effect; limits without an option come from `own`.
    pub(crate) fn rules(&self, own: &Rules) -> Rules {
        let Counts {
            replay_window_us,
            idempotency_window_us,
            idempotency_keys_max,
            records_per_request_max,
            outbox_effects,
            outbox_rows_max,
            retrieved_timeout_s,
            reject_pause_s,
            personal_callback_grace_s,
            callback_expiry_s,
            application_id,
            audit_window_us,
        } = self.counts;
        Rules {
            replay_window_us,
            idempotency_window_us,
            idempotency_keys_max,
            records_per_request_max,
            outbox_effects,
            outbox_rows_max,
            retrieved_timeout_s,
            reject_pause_s,
            personal_callback_grace_s,
            callback_expiry_s,
            application_id,
            audit_window_us,
            ..*own
        }
    }
}

impl Counts {
    /// An unreadable value belongs to a rules version that this release does not decide, and counts as the default.
    fn of(values: &[Setting]) -> Self {
        let number = |key: &str| {
            let given = values.iter().find(|setting| setting.key == key).and_then(|setting| setting.value.parse().ok());
            let default = || Spec::of(key).and_then(|spec| spec.default.parse().ok());
            given.or_else(default).unwrap_or(0u64)
        };
        let effects = values.iter().find(|setting| setting.key == OUTBOX_EFFECTS);
        Self {
            replay_window_us: number(REPLAY_WINDOW_MS).saturating_mul(1_000),
            idempotency_window_us: number(IDEMPOTENCY_HOURS).saturating_mul(3_600_000_000),
            idempotency_keys_max: number(IDEMPOTENCY_KEYS_MAX),
            records_per_request_max: number(RECORDS_PER_REQUEST_MAX),
            outbox_effects: effects.and_then(|setting| kinds_of(&setting.value)).unwrap_or(0),
            outbox_rows_max: number(OUTBOX_ROWS_MAX),
            retrieved_timeout_s: number(RETRIEVED_TIMEOUT),
            reject_pause_s: number(REJECT_PAUSE),
            personal_callback_grace_s: number(PERSONAL_CALLBACK_GRACE),
            callback_expiry_s: number(CALLBACK_EXPIRY),
            application_id: i64::try_from(number(APPLICATION_ID)).unwrap_or_default(),
            audit_window_us: number(AUDIT_DAYS).saturating_mul(DAY_US),
        }
    }
}

/// The canonical text of an option's value, under a rules version.
///
/// # Errors
/// BAD_VALUE: an unknown key, or a value out of range.
pub fn check_setting(rules_version: u32, key: &str, value: &str) -> Result<String, Refusal> {
    let is_known = |spec: &&Spec| spec.since <= rules_version;
    let Some(spec) = Spec::of(key).filter(is_known) else {
        let known: Vec<&str> = SPECS.iter().filter(is_known).map(|spec| spec.key).collect();
        return Err(bad_value(key, &format!("is no option of the rules; there are {}", known.join(", "))));
    };
    spec.canonical(value).ok_or_else(|| bad_value(key, &format!("{}, not {:?}", spec.expected(), shown(value))))
}

/// The value within an option's range that is nearest to a number.
pub fn nearest_setting(key: &str, value: u64) -> u64 {
    match Spec::of(key).map(|spec| &spec.kind) {
        Some(Kind::Number { min, max }) => value.clamp(*min, *max),
        _ => value,
    }
}

fn bad_value(key: &str, what: &str) -> Refusal {
    Refusal::new(RefusalCode::BadValue, format!("{} {what}", shown(key)))
}

/// The beginning of a text, at most 64 bytes.
fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}

/// The options of rules version 1 from a node's file, by key.
pub fn options_of(rules: &Rules) -> [Setting; 4] {
    let option = |key: &str, value: u64| Setting { key: key.to_owned(), value: value.to_string() };
    [
        option(REPLAY_WINDOW_MS, rules.replay_window_us / 1_000),
        option(IDEMPOTENCY_HOURS, rules.idempotency_window_us / 3_600_000_000),
        option(IDEMPOTENCY_KEYS_MAX, rules.idempotency_keys_max),
        option(RECORDS_PER_REQUEST_MAX, rules.records_per_request_max),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::SettingsRow;

    fn setting(key: &str, value: &str) -> Setting {
        Setting { key: key.into(), value: value.into() }
    }

    fn first(given: &[Setting]) -> Settings {
        Settings::first(2, "0.1.0", given).unwrap()
    }

    #[test]
    fn every_default_is_within_its_range_and_keys_are_sorted() {
        for spec in &SPECS {
            assert_eq!(spec.canonical(spec.default).as_deref(), Some(spec.default), "{}", spec.key);
        }
        assert!(SPECS.windows(2).all(|pair| pair[0].key < pair[1].key));
    }

    #[test]
    fn what_is_given_counts_and_the_rest_is_the_default() {
        let own = Rules { import_rows_max: 7, ..Rules::default() };
        let rules = first(&[setting("replay_window_ms", "0"), setting("idempotency_hours", "048")]).rules(&own);
        assert_eq!((rules.replay_window_us, rules.idempotency_window_us), (0, 48 * 3_600_000_000));
        assert_eq!((rules.records_per_request_max, rules.idempotency_keys_max), (1000, 20_000_000));
        assert_eq!(rules.import_rows_max, 7, "what is no option stays the node's");
        let given = [setting("reject_pause", "5"), setting("callback_expiry", "0"), setting("application_id", "134")];
        let rules = first(&given).rules(&own);
        assert_eq!((rules.reject_pause_s, rules.retrieved_timeout_s), (5, 1_800));
        assert_eq!((rules.personal_callback_grace_s, rules.callback_expiry_s, rules.application_id), (1_800, 0, 134));
    }

    #[test]
    fn a_value_out_of_range_an_unknown_key_and_one_that_is_there_twice_change_nothing() {
        let bad = [
            vec![setting("replay_window_ms", "60001")],
            vec![setting("replay_window_ms", "-1")],
            vec![setting("replay_window_ms", "+1")],
            vec![setting("replay_window_ms", "")],
            vec![setting("idempotency_hours", "0")],
            vec![setting("reject_pause", "a minute")],
            vec![setting("webhook_allow", "a host")],
            vec![setting("no_such_option", "1")],
            vec![setting("reject_pause", "1"), setting("reject_pause", "2")],
        ];
        for changes in bad {
            let refusal = first(&[]).with(&changes).unwrap_err();
            assert_eq!(refusal.code, RefusalCode::BadValue);
            assert!(refusal.message.contains(&changes[0].key), "{}", refusal.message);
        }
    }

    #[test]
    fn an_option_of_a_later_rules_version_is_unknown_before_it_and_in_no_row_until_it_is_set() {
        let effects = [setting(OUTBOX_EFFECTS, "list_created,record_added")];
        for version in [RULES_WITH_SETTINGS, RULES_WITH_OUTBOX - 1] {
            let refusal = Settings::first(version, "", &effects).unwrap_err();
            assert_eq!(refusal.message.matches("outbox").count(), 1, "{}", refusal.message);
        }
        let (three, four) = (first(&[]).raised(3, ""), first(&[]).raised(RULES_WITH_OUTBOX, ""));
        assert_eq!(three.values(), four.values());
        assert_eq!(Settings::first(RULES_WITH_OUTBOX, "", &[]).unwrap().values(), four.values());
        assert_eq!(four.rules(&Rules::default()).outbox_effects, 0);
        let set = four.with(&effects).unwrap();
        assert_eq!(set.value(OUTBOX_EFFECTS), Some("record_added,list_created"));
        let rules = Settings::from(SettingsRow::from(&set)).rules(&Rules::default());
        assert_eq!((rules.outbox_effects, rules.outbox_rows_max), (0b10_0010, 100_000));
    }

    #[test]
    fn hosts_are_written_one_way() {
        let hosts = first(&[setting("webhook_allow", " crm.example.com , ,10.0.0.1")]);
        assert_eq!(hosts.value("webhook_allow"), Some("crm.example.com,10.0.0.1"));
    }
}
