//! API tokens: made and taken back by commands of rules version 6, and the lists that a request reaches.

use std::sync::Arc;

use crate::common::{CLUSTER_KEY, START_US, World, field, request, show};
use outbound::{
    AccessScope, AccessScopes, ApplyDeclaration, Body, Command, CreateToken, Origin, RULES_NEWEST, RULES_WITH_TOKENS,
    RefusalCode, Reply, ReplyBody, RevokeToken, TOKENS_MAX, TokenHash,
    declaration::{
        CampaignList, CampaignLists, Declaration, DeclaredCampaign, DeclaredGroup, DeclaredList, DeclaredTenant,
    },
    token_hash, token_id,
};
use records::{ApiTokenRow, Change, Changes, Key, Reach, Row, Table, View, api_tokens, decide, reach};

const HOUR_S: i64 = 3600;

/// Lists `demo` (101) of the default tenant and `north` of the tenant of that name, and a campaign of both.
fn world() -> World {
    let mut world = World::default();
    (2..=RULES_NEWEST).for_each(|version| drop(world.raise(version, Vec::new())));
    world.create("demo", "UTC", vec![field("AGE", "int")]);
    let tenant = DeclaredTenant { name: "north".into(), ..DeclaredTenant::default() };
    let of_north = DeclaredList { name: "north".into(), tenant: Some("north".into()), ..DeclaredList::default() };
    let declaration = Declaration { tenants: vec![tenant], lists: vec![of_north], ..Declaration::default() };
    apply(&mut world, declaration, 0);
    world
}

fn apply(world: &mut World, declaration: Declaration, revision: u64) {
    let reply = world.ask(Body::ApplyDeclaration(Box::new(ApplyDeclaration { declaration, revision, prune: false })));
    assert!(matches!(reply.body, ReplyBody::Done(_)), "{}", show(&reply));
}

fn hash(number: u8) -> TokenHash {
    token_hash(&[number])
}

fn token(number: u8) -> CreateToken {
    CreateToken {
        hash: hash(number).to_vec(),
        name: "crm".into(),
        scopes: vec!["read".into()],
        ..CreateToken::default()
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[track_caller]
fn code(reply: &Reply) -> RefusalCode {
    match &reply.body {
        ReplyBody::Refused(refusal) => refusal.code,
        _ => panic!("not refused: {}", show(reply)),
    }
}

fn now_s() -> i64 {
    i64::try_from(START_US / 1_000_000).unwrap()
}

#[test]
fn a_token_is_known_by_its_hash_alone_and_keeps_its_bounds_by_number() {
    let mut world = world();
    let asked = CreateToken {
        note: "the CRM".into(),
        scopes: words(&["update", "read", "read"]),
        lists: words(&["north", "101", "demo"]),
        expires_s: Some(now_s() + HOUR_S),
        ..token(1)
    };
    let reply = world.ask(Body::CreateToken(asked.clone()));
    assert_eq!(show(&reply), format!("TokenCreated id=\"{}\" name=\"crm\"", token_id(&hash(1))));
    let stamp_us = world.now_us;
    let row = ApiTokenRow {
        stamp_us,
        name: "crm".into(),
        note: "the CRM".into(),
        scopes: AccessScopes::parse(["read", "update"]).unwrap().bits(),
        lists: vec![101, 102],
        expires_s: asked.expires_s,
        ..ApiTokenRow::default()
    };
    assert_eq!(api_tokens(&world.map), [(hash(1), Arc::new(row))]);
    let scopes = AccessScopes::of_bits(api_tokens(&world.map)[0].1.scopes);
    assert!(scopes.has(AccessScope::Update) && !scopes.has(AccessScope::Admin));

    // the same order once more, as after a failover, is acknowledged and changes nothing
    let again = world.ask(Body::CreateToken(asked.clone()));
    assert_eq!((show(&again), api_tokens(&world.map)[0].1.stamp_us), (show(&reply), stamp_us));
    let other = CreateToken { note: "another".into(), ..asked };
    assert_eq!(code(&world.ask(Body::CreateToken(other))), RefusalCode::Conflict);
    assert_eq!(show(&world.ask(Body::CreateToken(token(2)))).matches("crm").count(), 1, "two tokens share a name");
}

#[test]
fn a_token_that_is_taken_back_is_gone_and_a_second_order_finds_none() {
    let mut world = world();
    for number in [1, 2] {
        world.ask(Body::CreateToken(token(number)));
    }
    let revoke = RevokeToken { id: token_id(&hash(1)) };
    let reply = world.ask(Body::RevokeToken(revoke.clone()));
    assert_eq!(show(&reply), format!("TokenRevoked id=\"{}\" name=\"crm\"", revoke.id));
    assert_eq!(world.map.get(&Key::ApiToken(hash(1))), None);
    assert!(matches!(world.map.get(&Key::ApiToken(hash(2))), Some(Row::ApiToken(_))));
    assert_eq!(code(&world.ask(Body::RevokeToken(revoke))), RefusalCode::BadValue);
}

#[test]
fn a_token_that_cannot_be_is_refused_and_leaves_no_row() {
    let mut world = world();
    let past = now_s() - HOUR_S;
    for (asked, wanted) in [
        (CreateToken { hash: vec![1; 31], ..token(1) }, RefusalCode::BadValue),
        (CreateToken { name: String::new(), ..token(1) }, RefusalCode::BadValue),
        (CreateToken { name: " crm".into(), ..token(1) }, RefusalCode::BadValue),
        (CreateToken { name: "c\u{202e}rm".into(), ..token(1) }, RefusalCode::BadValue),
        (CreateToken { name: "\u{1f600}".repeat(61), ..token(1) }, RefusalCode::BadValue),
        (CreateToken { note: "a\nb".into(), ..token(1) }, RefusalCode::BadValue),
        (CreateToken { note: "n".repeat(256), ..token(1) }, RefusalCode::BadValue),
        (CreateToken { scopes: Vec::new(), ..token(1) }, RefusalCode::BadValue),
        (CreateToken { scopes: words(&["read", "write"]), ..token(1) }, RefusalCode::BadValue),
        (CreateToken { lists: words(&["nowhere"]), ..token(1) }, RefusalCode::ListNotFound),
        (CreateToken { tenant: "south".into(), ..token(1) }, RefusalCode::TenantNotFound),
        (CreateToken { tenant: "north".into(), lists: words(&["demo"]), ..token(1) }, RefusalCode::ListNotFound),
        (CreateToken { tenant: "default".into(), lists: words(&["north"]), ..token(1) }, RefusalCode::ListNotFound),
        (CreateToken { expires_s: Some(past), ..token(1) }, RefusalCode::BadValue),
        (CreateToken { expires_s: Some(i64::MAX), ..token(1) }, RefusalCode::BadValue),
    ] {
        let reply = world.ask(Body::CreateToken(asked));
        assert_eq!(code(&reply), wanted, "{}", show(&reply));
    }
    assert!(world.map.table(Table::ApiToken).is_empty());
    let longest = CreateToken { name: "\u{1f600}".repeat(60), tenant: "north".into(), ..token(1) };
    assert!(matches!(world.ask(Body::CreateToken(longest)).body, ReplyBody::Done(_)));
}

#[test]
fn a_group_has_so_many_tokens_and_no_more() {
    let mut world = world();
    let row = |number: usize| Change {
        key: Key::ApiToken(token_hash(&number.to_be_bytes())),
        old: None,
        new: Some(Row::ApiToken(Arc::new(ApiTokenRow { name: "crm".into(), ..ApiTokenRow::default() }))),
    };
    let mut rows: Vec<Change> = (0..TOKENS_MAX).map(row).collect();
    rows.sort_by_key(|change| change.key.encode());
    world.map.apply(&Changes(rows));
    world.digest = world.map.digest(CLUSTER_KEY);
    assert_eq!(code(&world.ask(Body::CreateToken(token(1)))), RefusalCode::Conflict);
    let first = token_id(&token_hash(&0_usize.to_be_bytes()));
    world.ask(Body::RevokeToken(RevokeToken { id: first }));
    assert!(matches!(world.ask(Body::CreateToken(token(1))).body, ReplyBody::Done(_)));
}

#[test]
fn rules_before_version_6_know_no_token() {
    let world = world();
    for body in [Body::CreateToken(token(1)), Body::RevokeToken(RevokeToken { id: token_id(&hash(1)) })] {
        assert_eq!(body.rules_min(), RULES_WITH_TOKENS);
        let command = Command::new(RULES_WITH_TOKENS - 1, world.id(1, 1, 900), world.now_us + 1, Origin::Control, body);
        let (reply, changes, _) = decide(&command, &world.map, &world.rules);
        assert_eq!(code(&reply), RefusalCode::Unavailable);
        assert!(changes.0.iter().all(|change| change.key.table() != Table::ApiToken));
    }
}

#[test]
fn the_operator_of_the_commands_head_is_the_maker_of_a_token() {
    let world = world();
    let command = |principal: &str| Command {
        principal: principal.into(),
        ..Command::new(
            RULES_NEWEST,
            world.id(1, 1, 900),
            world.now_us + 1,
            Origin::Control,
            Body::CreateToken(token(1)),
        )
    };
    for operator in ["", "maria"] {
        let (_, changes, _) = decide(&command(operator), &world.map, &world.rules);
        let made = changes.0.into_iter().find_map(|change| match change.new {
            Some(Row::ApiToken(row)) => Some(row.created_by.clone()),
            _ => None,
        });
        assert_eq!(made.as_deref(), Some(operator));
    }
}

#[test]
fn every_request_reaches_the_lists_of_what_it_names() {
    let mut world = world();
    let list = |name: &str| CampaignList { list: name.into(), weight: None };
    let campaign = |name: &str, lists: &[&str]| {
        let lists = Some(CampaignLists { lists: lists.iter().map(|name| list(name)).collect() });
        DeclaredCampaign { name: name.into(), lists, ..DeclaredCampaign::default() }
    };
    let group =
        |campaign: &str| DeclaredGroup { campaign: campaign.into(), group: "g".into(), ..DeclaredGroup::default() };
    let declaration = Declaration {
        campaigns: vec![campaign("one", &["demo"])],
        campaign_groups: vec![group("one")],
        ..Declaration::default()
    };
    apply(&mut world, declaration, 1);
    world.ask(Body::Request(request("AddRecord", "lists/demo", &[("GSW_PHONE", "+1")])));
    let reached = |verb, resource, pairs: &[(&str, &str)]| reach(&request(verb, resource, pairs), &world.map);
    let lists = |dbids: &[u32]| Reach::Lists(dbids.to_vec());
    assert_eq!(reached("GetRecord", "records/1", &[]), lists(&[101]));
    assert_eq!(reached("RecordProcessed", "records/9", &[]), Reach::Unknown);
    assert_eq!(reached("AddRecord", "lists/north", &[]), lists(&[102]));
    assert_eq!(reached("AddRecord", "lists/101", &[]), lists(&[101]));
    assert_eq!(reached("AddRecord", "lists/nowhere", &[]), lists(&[0]), "no token has this list");
    for resource in ["phones/+1", "customer_ids/K-7"] {
        assert_eq!(reached("DoNotCall", resource, &[]), Reach::All);
        assert_eq!(reached("DoNotCall", resource, &[("GSW_CALLING_LIST", "north")]), lists(&[102]));
        assert_eq!(reached("DoNotCall", resource, &[("GSW_CALLING_LIST", "101")]), lists(&[101]));
        assert_eq!(reached("DoNotCall", resource, &[("GSW_CALLING_LIST_DBID", "102")]), lists(&[102]));
        let both = [("GSW_CALLING_LIST", "demo"), ("GSW_CALLING_LIST_DBID", "102")];
        assert_eq!(reached("DoNotCall", resource, &both), lists(&[101]), "as the verbs read it");
    }
    assert_eq!(reached("PreviewRecordRequest", "campaigngroups/one@g", &[]), lists(&[101]));
    assert_eq!(reached("CampaignStatusRequest", "campaigngroups/two@g", &[]), Reach::Unknown);
}
