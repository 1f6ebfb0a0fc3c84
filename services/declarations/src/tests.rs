//! Texts that are read, texts that are refused, and texts that are written and read again.

use outbound::{
    CALL_RESULT,
    declaration::{
        CampaignList, CampaignLists, DeclaredCalendar, DeclaredCampaign, DeclaredDay, DeclaredField, DeclaredGroup,
        DeclaredHours, DeclaredLimit, DeclaredList, DeclaredNames, DeclaredOption, DeclaredPair, DeclaredPairs,
        DeclaredPrefix, DeclaredResults, DeclaredSubscription, DeclaredTenant, DeclaredTreatment, DeclaredZone,
    },
};

use super::*;

/// The complete file of spec 11.
const EXAMPLE: &str = r#"
[options]                       # whole seconds unless the name says otherwise
reject_pause = 60
replay_window_ms = 5000        # 0 to 60,000
records_per_request_max = 1000
webhook_allow = ["crm.example.com"]

[[tenants]]
name = "north"
country_code = "49"
trunk_prefix = "0"              # national_digits = 10 where there is no prefix

[[time_zones]]
name = "VIC"
time_zone = "Australia/Melbourne"
dbid = 122

[[calendars]]
name = "weekdays"
hours = { mon = "08:00-20:00", tue = "08:00-20:00", sat = "10:00-16:00" }
closed = ["2026-12-25"]

[[zone_prefixes]]
prefix = "+1212"
time_zone = "America/New_York"

[[treatments]]
name = "busy-again"
call_result = "Busy"            # name or number
number = 1
action = "RetryIn"
cycle_attempts = 3
interval = 30                   # minutes
increment = 15
# at = "17:30" or "2026-12-24T09:00" for RetryAtDate and NextInChainAtDate

[[lists]]
name = "renewals"
tenant = "north"                # absent: the default tenant
time_zone = "Europe/Berlin"
customer_id = "CLIENT_ID"       # the column of the field that is the customer id
treatments = ["busy-again"]
calendar = "weekdays"
attempts_max = 12
unique_phone = "no"             # open, ever
unknown_keys = "ignore"         # refuse
zone_by_phone = false
callbacks_any_time = false
send_attributes = { contact_info = "phone" }

[[lists.fields]]
name = "CLIENT_ID"
type = "varchar(64)"
default = ""
send_attribute = "client-id"

[[campaigns]]
name = "Renewals"
tenant = "north"
lists = [{ list = "renewals", weight = 10 }]

[[campaign_groups]]
campaign = "Renewals"
group = "Agents"                # the campaign group is Renewals@Agents
desktop_chains_limit = 1

[[contact_limits]]
name = "seven-in-seven"
campaign = "Renewals"           # or tenant = "north"
max = 7
per = "phone"                   # customer, chain
within = 604800                 # seconds, or "day": a calendar day of the record's zone
results = []                    # empty: every attempt counts; else results by name

[[subscriptions]]
name = "crm"
url = "https://crm.example.com/hook"
types = ["contact.processed"]
lists = ["renewals"]            # or campaigns = [...]
format = "standard"
secret_file = "/etc/ocs/crm.secret"
response_timeout = 15
"#;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn names(names: &[&str]) -> Option<DeclaredNames> {
    Some(DeclaredNames { names: names.iter().map(|name| (*name).to_owned()).collect() })
}

/// What the example declares, written out.
fn example() -> Declaration {
    let option = |key: &str, value: &str| DeclaredOption { key: key.into(), value: value.into() };
    let day = |day, from: u32, till: u32| DeclaredDay { day, from: from * 3600, till: till * 3600 };
    Declaration {
        options: vec![
            option("reject_pause", "60"),
            option("replay_window_ms", "5000"),
            option("records_per_request_max", "1000"),
            option("webhook_allow", "crm.example.com"),
        ],
        tenants: vec![DeclaredTenant {
            name: "north".into(),
            country_code: some("49"),
            trunk_prefix: some("0"),
            ..Default::default()
        }],
        time_zones: vec![DeclaredZone { name: "VIC".into(), dbid: Some(122), time_zone: some("Australia/Melbourne") }],
        calendars: vec![DeclaredCalendar {
            name: "weekdays".into(),
            hours: Some(DeclaredHours { days: vec![day(1, 8, 20), day(2, 8, 20), day(6, 10, 16)] }),
            closed: names(&["2026-12-25"]),
        }],
        zone_prefixes: vec![DeclaredPrefix { prefix: "+1212".into(), time_zone: some("America/New_York") }],
        treatments: vec![DeclaredTreatment {
            name: "busy-again".into(),
            call_result: CALL_RESULT.parse("Busy"),
            number: Some(1),
            action: some("RetryIn"),
            cycle_attempts: Some(3),
            interval: Some(30),
            increment: Some(15),
            ..Default::default()
        }],
        lists: vec![list()],
        campaigns: vec![DeclaredCampaign {
            name: "Renewals".into(),
            tenant: some("north"),
            lists: Some(CampaignLists { lists: vec![CampaignList { list: "renewals".into(), weight: Some(10) }] }),
            ..Default::default()
        }],
        campaign_groups: vec![DeclaredGroup {
            campaign: "Renewals".into(),
            group: "Agents".into(),
            desktop_chains_limit: Some(1),
            ..Default::default()
        }],
        contact_limits: vec![DeclaredLimit {
            name: "seven-in-seven".into(),
            campaign: some("Renewals"),
            max: Some(7),
            per: some("phone"),
            within: Some(604_800),
            results: Some(DeclaredResults { results: Vec::new() }),
            ..Default::default()
        }],
        subscriptions: vec![DeclaredSubscription { name: "crm".into() }],
    }
}

fn list() -> DeclaredList {
    DeclaredList {
        name: "renewals".into(),
        tenant: some("north"),
        time_zone: some("Europe/Berlin"),
        customer_id: some("CLIENT_ID"),
        treatments: names(&["busy-again"]),
        calendar: some("weekdays"),
        attempts_max: Some(12),
        unique_phone: some("no"),
        unknown_keys: some("ignore"),
        zone_by_phone: Some(false),
        callbacks_any_time: Some(false),
        send_attributes: Some(DeclaredPairs {
            pairs: vec![DeclaredPair { key: "contact_info".into(), value: "phone".into() }],
        }),
        fields: vec![DeclaredField {
            column: "CLIENT_ID".into(),
            kind: "varchar(64)".into(),
            default: some(""),
            send_attribute: some("client-id"),
        }],
        ..Default::default()
    }
}

fn read(text: &str) -> Declaration {
    parse(text).unwrap_or_else(|faults| panic!("{faults:?}")).0
}

/// The faults of a file, a line each.
fn faults(text: &str) -> Vec<String> {
    let faults = parse(text).map(|_| ()).unwrap_err();
    faults.iter().map(|fault| fault.in_file("f")).collect()
}

#[test]
fn the_example_of_the_specification_declares_what_it_says() {
    assert_eq!(read(EXAMPLE), example());
}

#[test]
fn an_empty_file_declares_nothing_and_an_absent_key_is_left_alone() {
    assert_eq!(read(""), Declaration::default());
    assert_eq!(read("\u{feff}# a comment\r\n"), Declaration::default());
    let wanted = DeclaredList { name: "a".into(), ..Default::default() };
    assert_eq!(read("[[lists]]\nname = \"a\"\n").lists, [wanted]);
    let emptied = read("[[lists]]\nname = \"a\"\ncalendar = \"\"\ntreatments = []\n").lists.remove(0);
    assert_eq!((emptied.calendar, emptied.treatments), (some(""), names(&[])));
}

#[test]
fn an_unknown_key_is_told_with_its_line_and_the_keys_that_there_are() {
    for (text, line) in [
        ("list = 1", "f:1: list: is no key of a declaration; there are options, tenants, time_zones"),
        (
            "\n[[tenants]]\nname = \"t\"\ncode = 1",
            "f:4: tenants.t.code: is no key of [[tenants]]; there are name, dbid",
        ),
        ("[[time_zones]]\nname = \"z\"\nzone = \"UTC\"", "f:3: time_zones.z.zone: is no key of [[time_zones]]"),
        ("[[calendars]]\nname = \"c\"\nopen = 1", "f:3: calendars.c.open: is no key of [[calendars]]"),
        (
            "[[calendars]]\nname = \"c\"\nhours = { monday = \"08:00-20:00\" }",
            "f:3: calendars.c.hours.monday: is no key of hours; there are mon, tue, wed, thu, fri, sat, sun",
        ),
        ("[[zone_prefixes]]\nprefix = \"+1\"\nzone = \"UTC\"", "f:3: zone_prefixes.+1.zone: is no key of"),
        ("[[treatments]]\nname = \"t\"\nwait = 1", "f:3: treatments.t.wait: is no key of [[treatments]]"),
        ("[[lists]]\nname = \"l\"\n\ntimezone = \"UTC\"", "f:4: lists.l.timezone: is no key of [[lists]]"),
        (
            "[[lists]]\nname = \"l\"\n[[lists.fields]]\nname = \"C\"\nkind = \"int\"",
            "f:5: lists.l.fields.C.kind: is no key of [[lists.l.fields]]; there are name, type, default",
        ),
        ("[[campaigns]]\nname = \"c\"\nlist = \"l\"", "f:3: campaigns.c.list: is no key of [[campaigns]]"),
        (
            "[[campaigns]]\nname = \"c\"\nlists = [\n{ list = \"l\", weigth = 1 }\n]",
            "f:4: campaigns.c.lists.l.weigth: is no key of [[campaigns.c.lists]]; there are list, weight",
        ),
        (
            "[[campaign_groups]]\ncampaign = \"c\"\ngroup = \"g\"\nlimit = 1",
            "f:4: campaign_groups.c@g.limit: is no key of [[campaign_groups]]; there are campaign, group, dbid",
        ),
        ("[[contact_limits]]\nname = \"l\"\nwith = 1", "f:3: contact_limits.l.with: is no key of [[contact_limits]]"),
        ("[[subscriptions]]\nname = \"s\"\nuri = 1", "f:3: subscriptions.s.uri: is no key of [[subscriptions]]"),
    ] {
        let faults = faults(text);
        assert!(faults.len() == 1 && faults[0].starts_with(line), "{line}: {faults:?}");
    }
}

#[test]
fn a_value_of_another_type_is_told_with_its_line_and_what_its_key_takes() {
    const NUMBER: &str = "takes a whole number from 0 to 4294967295, not";
    for (text, line) in [
        ("options = 1", "f:1: options: takes a table, not 1".to_owned()),
        ("[options]\na = { b = 1 }", "f:2: options.a: takes a number, a text, true or false, or an array".to_owned()),
        ("[options]\na = [1, 2]", "f:2: options.a: takes a number, a text, true or false, or an array".to_owned()),
        ("[lists]\nname = \"l\"", "f:1: lists: takes tables, [[lists]] once for each, not a table".to_owned()),
        ("lists = [1]", "f:1: lists: takes tables, not 1".to_owned()),
        (
            "[[tenants]]\nname = \"t\"\ncountry_code = 49",
            "f:3: tenants.t.country_code: takes a text in quotes, not 49".to_owned(),
        ),
        (
            "[[tenants]]\nname = \"t\"\nnational_digits = \"10\"",
            format!("f:3: tenants.t.national_digits: {NUMBER} \"10\""),
        ),
        ("[[lists]]\nname = \"l\"\ndbid = -1", format!("f:3: lists.l.dbid: {NUMBER} -1")),
        ("[[lists]]\nname = \"l\"\ndbid = 4294967296", format!("f:3: lists.l.dbid: {NUMBER} 4294967296")),
        ("[[lists]]\nname = \"l\"\nattempts_max = 1.5", format!("f:3: lists.l.attempts_max: {NUMBER} 1.5")),
        (
            "[[lists]]\nname = \"l\"\nzone_by_phone = \"yes\"",
            "f:3: lists.l.zone_by_phone: takes true or false, not \"yes\"".to_owned(),
        ),
        (
            "[[lists]]\nname = \"l\"\ntreatments = \"t\"",
            "f:3: lists.l.treatments: takes an array: [a text in quotes, …], not \"t\"".to_owned(),
        ),
        (
            "[[lists]]\nname = \"l\"\ntreatments = [\"t\",\n2]",
            "f:4: lists.l.treatments: takes a text in quotes, not 2".to_owned(),
        ),
        (
            "[[lists]]\nname = \"l\"\nsend_attributes = [\"phone\"]",
            "f:3: lists.l.send_attributes: takes a table, not an array".to_owned(),
        ),
        (
            "[[lists]]\nname = \"l\"\nsend_attributes.a = 1",
            "f:3: lists.l.send_attributes.a: takes a text in quotes, not 1".to_owned(),
        ),
        (
            "[[lists]]\nname = \"l\"\nfields = 1",
            "f:3: lists.l.fields: takes tables, [[lists.l.fields]] once for each, not 1".to_owned(),
        ),
        ("[[campaigns]]\nname = \"c\"\nlists = [\"l\"]", "f:3: campaigns.c.lists: takes tables, not \"l\"".to_owned()),
        (
            "[[calendars]]\nname = \"c\"\nclosed = [\"2026-02-30\"]",
            "f:3: calendars.c.closed: takes a date of the calendar as in \"2026-12-25\", not \"2026-02-30\"".to_owned(),
        ),
        (
            "[[calendars]]\nname = \"c\"\nclosed = [\"25.12.2026\"]",
            "f:3: calendars.c.closed: takes a date of the calendar".to_owned(),
        ),
        (
            "[[treatments]]\nname = \"t\"\ncall_result = \"Bussy\"",
            "f:3: treatments.t.call_result: takes the name or the number of a call result, not \"Bussy\"".to_owned(),
        ),
        (
            "[[treatments]]\nname = \"t\"\ncall_result = 99",
            "f:3: treatments.t.call_result: takes the name or the number".to_owned(),
        ),
        (
            "[[treatments]]\nname = \"t\"\naction = \"Retry\"",
            "f:3: treatments.t.action: takes an action: RetryIn, Cycle, RetryAtDate".to_owned(),
        ),
        (
            "[[treatments]]\nname = \"t\"\nat = \"24:00\"",
            "f:3: treatments.t.at: takes a time as in \"17:30\"".to_owned(),
        ),
        (
            "[[treatments]]\nname = \"t\"\nat = \"2026-02-30T09:00\"",
            "f:3: treatments.t.at: takes a time as in \"17:30\"".to_owned(),
        ),
        (
            "[[contact_limits]]\nname = \"l\"\nwithin = \"week\"",
            "f:3: contact_limits.l.within: takes a number of seconds from 1, or \"day\", not \"week\"".to_owned(),
        ),
        (
            "[[contact_limits]]\nname = \"l\"\nwithin = 0",
            "f:3: contact_limits.l.within: takes a number of seconds from 1".to_owned(),
        ),
        (
            "[[contact_limits]]\nname = \"l\"\nresults = [\"Nobody\"]",
            "f:3: contact_limits.l.results: takes the name or the number".to_owned(),
        ),
    ] {
        let faults = faults(text);
        assert!(faults.len() == 1 && faults[0].starts_with(&line), "{line}: {faults:?}");
    }
}

#[test]
fn hours_are_one_span_of_a_day_that_ends_after_its_begin() {
    let hours = |span: &str| format!("[[calendars]]\nname = \"c\"\nhours = {{ sun = {span:?} }}");
    let read_day = |span: &str| read(&hours(span)).calendars.remove(0).hours.unwrap().days.remove(0);
    assert_eq!(read_day("00:00-24:00"), DeclaredDay { day: 7, from: 0, till: 86_400 });
    assert_eq!(read_day("08:05 - 08:06"), DeclaredDay { day: 7, from: 29_100, till: 29_160 });
    for wrong in [
        "20:00-08:00",
        "08:00-08:00",
        "08:00-24:01",
        "8:00-20:00",
        "08:60-20:00",
        "08:00",
        "",
        "08:00-12:00,13:00-20:00",
    ] {
        let line = format!(
            "f:3: calendars.c.hours.sun: takes a span of a day as in \"08:00-20:00\", at most to 24:00, that ends after its begin, not {wrong:?}"
        );
        assert_eq!(faults(&hours(wrong)), [line]);
    }
    let sorted = read("[[calendars]]\nname = \"c\"\nhours = { sun = \"08:00-20:00\", mon = \"08:00-20:00\" }")
        .calendars
        .remove(0);
    assert_eq!(sorted.hours.unwrap().days.iter().map(|day| day.day).collect::<Vec<_>>(), [1, 7]);
}

#[test]
fn words_numbers_and_dates_have_one_meaning_in_every_spelling() {
    let text = r#"
        options = { a = true, b = -3, c = "x,y", d = ["x", "y"], e = 0x10, f = 1_000, g = [] }
        [[calendars]]
        name = "c"
        closed = [2026-12-25, "2027-01-01"]
        [[treatments]]
        name = "t"
        call_result = 6
        action = "redial"
        at = "2026-12-24T09:00"
        [[lists]]
        name = "l"
        [[lists.fields]]
        name = "AGE"
        type = "int"
        default = 7
        [[contact_limits]]
        name = "l"
        within = "day"
        results = ["Answer", 6, "busy"]
    "#;
    let read = read(text);
    let options: Vec<_> = read.options.iter().map(|option| (option.key.as_str(), option.value.as_str())).collect();
    let wanted = [("a", "true"), ("b", "-3"), ("c", "x,y"), ("d", "x,y"), ("e", "16"), ("f", "1000"), ("g", "")];
    assert_eq!(options, wanted);
    assert_eq!(read.calendars[0].closed, names(&["2026-12-25", "2027-01-01"]));
    let treatment = &read.treatments[0];
    assert_eq!((treatment.call_result, treatment.action.as_deref()), (Some(6), Some("Cycle")));
    assert_eq!(treatment.at.as_deref(), Some("2026-12-24T09:00"));
    assert_eq!(read.lists[0].fields[0].default.as_deref(), Some("7"));
    let limit = &read.contact_limits[0];
    assert_eq!((limit.within, limit.results.clone().unwrap().results), (Some(0), vec![33, 6, 6]));
}

#[test]
fn a_thing_without_a_name_or_with_a_name_that_is_there_is_a_fault_of_its_table() {
    assert_eq!(faults("\n[[lists]]\ncalendar = \"c\""), ["f:2: lists: has no name"]);
    assert_eq!(faults("[[campaign_groups]]\ncampaign = \"c\""), ["f:1: campaign_groups: has no group"]);
    let empty = faults("[[lists]]\nname = \"\"");
    assert_eq!(empty, ["f:2: lists.name: takes a text in quotes that is not empty, not \"\""]);
    let twice = "[[lists]]\nname = \"a\"\n[[campaigns]]\nname = \"a\"\n[[lists]]\nname = \"a\"";
    assert_eq!(faults(twice), ["f:5: lists.a: is there twice: the first stands in line 1"]);
    let on_a_line = "lists = [{ name = \"a\" }, { name = \"a\" }]";
    assert_eq!(faults(on_a_line), ["f:1: lists.a: is there twice: the first stands in line 1"]);
    let no_fault = "[[lists]]\nname = \"a\"\ncalendar = \"c\"\n[[lists]]\nname = \"a.calendar\"";
    assert_eq!(read(no_fault).lists.len(), 2, "a name may look like the place of a key");
}

#[test]
fn all_faults_are_told_in_the_order_of_the_lines() {
    let text = "[[lists]]\nname = \"l\"\ndbid = \"1\"\n[[tenants]]\nname = \"t\"\ncode = 1\n[options]\na = {}\n";
    let lines: Vec<String> = faults(text).iter().map(|line| line[..4].to_owned()).collect();
    assert_eq!(lines, ["f:3:", "f:6:", "f:8:"]);
}

#[test]
fn what_is_no_toml_is_one_fault_with_its_line() {
    for (text, line) in [("a = 1\n\nb = ", "f:3: this is no TOML: "), ("[[lists]\n", "f:1: this is no TOML: ")] {
        let faults = faults(text);
        assert!(faults.len() == 1 && faults[0].starts_with(line), "{faults:?}");
    }
    assert_eq!(faults(&format!("a = {}", "[".repeat(100_000))).len(), 1);
}

#[test]
fn the_fault_of_a_node_has_the_line_of_its_place_or_of_the_place_around() {
    let places = parse(EXAMPLE).unwrap().1;
    let line = |text: &str| EXAMPLE.lines().position(|line| line.starts_with(text)).unwrap() + 1;
    for (path, text) in [
        ("options.reject_pause", "reject_pause"),
        ("tenants.north", "[[tenants]]"),
        ("tenants.north.national_digits", "[[tenants]]"),
        ("zone_prefixes.+1212.time_zone", "time_zone = \"America"),
        ("calendars.weekdays.hours.tue", "hours"),
        ("lists.renewals.calendar", "calendar = "),
        ("lists.renewals.fields.CLIENT_ID.kind", "type"),
        ("lists.renewals.CLIENT_ID.default", "[[lists.fields]]"),
        ("campaigns.Renewals.lists.renewals.weight", "lists = [{"),
        ("campaign_groups.Renewals@Agents.dbid", "[[campaign_groups]]"),
        ("subscriptions.crm", "[[subscriptions]]"),
    ] {
        assert_eq!(places.line_of(path), Some(line(text)), "{path}");
    }
    assert_eq!(places.line_of("lists.old"), None);
}

#[test]
fn a_declaration_is_written_in_the_order_of_the_specification_and_without_defaults() {
    let wanted = r#"[options]
reject_pause = 60
replay_window_ms = 5000
records_per_request_max = 1000
webhook_allow = ["crm.example.com"]

[[tenants]]
name = "north"
country_code = "49"
trunk_prefix = "0"

[[time_zones]]
name = "VIC"
time_zone = "Australia/Melbourne"
dbid = 122

[[calendars]]
name = "weekdays"
hours = { mon = "08:00-20:00", tue = "08:00-20:00", sat = "10:00-16:00" }
closed = ["2026-12-25"]

[[zone_prefixes]]
prefix = "+1212"
time_zone = "America/New_York"

[[treatments]]
name = "busy-again"
call_result = "Busy"
number = 1
action = "RetryIn"
cycle_attempts = 3
interval = 30
increment = 15

[[lists]]
name = "renewals"
tenant = "north"
time_zone = "Europe/Berlin"
customer_id = "CLIENT_ID"
treatments = ["busy-again"]
calendar = "weekdays"
attempts_max = 12
send_attributes = { contact_info = "phone" }

[[lists.fields]]
name = "CLIENT_ID"
type = "varchar(64)"
send_attribute = "client-id"

[[campaigns]]
name = "Renewals"
tenant = "north"
lists = [{ list = "renewals", weight = 10 }]

[[campaign_groups]]
campaign = "Renewals"
group = "Agents"
desktop_chains_limit = 1

[[contact_limits]]
name = "seven-in-seven"
campaign = "Renewals"
max = 7
per = "phone"
within = 604800

[[subscriptions]]
name = "crm"
"#;
    assert_eq!(to_toml(&example()), wanted);
    assert_eq!(to_toml(&read(wanted)), wanted);
}

#[test]
fn what_is_written_is_read_as_the_same_declaration() {
    let odd = "a \"b\" \\ c\td\ne\u{202e}\u{1b}ü";
    let declared = Declaration {
        options: vec![DeclaredOption { key: "outbox_effects".into(), value: "a,b".into() }],
        tenants: vec![DeclaredTenant { name: "default".into(), national_digits: Some(10), ..Default::default() }],
        calendars: vec![DeclaredCalendar {
            name: odd.into(),
            hours: Some(DeclaredHours { days: vec![DeclaredDay { day: 7, from: 0, till: 86_400 }] }),
            ..Default::default()
        }],
        lists: vec![DeclaredList {
            name: odd.into(),
            dbid: Some(101),
            unique_phone: some("ever"),
            unknown_keys: some("refuse"),
            zone_by_phone: Some(true),
            callbacks_any_time: Some(true),
            record_history: Some(true),
            send_attributes: Some(DeclaredPairs { pairs: vec![DeclaredPair { key: odd.into(), value: odd.into() }] }),
            ..Default::default()
        }],
        campaigns: vec![DeclaredCampaign { name: "c".into(), dbid: Some(7), ..Default::default() }],
        contact_limits: vec![DeclaredLimit {
            name: "l".into(),
            tenant: some("default"),
            max: Some(0),
            per: some("chain"),
            within: Some(0),
            results: Some(DeclaredResults { results: vec![33, 6] }),
            ..Default::default()
        }],
        ..Default::default()
    };
    let text = to_toml(&declared);
    assert_eq!(read(&text), declared, "{text}");
    assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text}");
}
