//! Every request under every state of a credential; and the bounds of a credential one by one.

use outbound::{
    AccessScope, Attributes, Handle, RULES_NEWEST, ReplyBody, ResourceType, TOKEN_SECRET_BYTES, Verb, token_text,
};
use pair::{ApiToken, ApiTokens, fakes::Reader};

use super::*;

/// The moment of every judgement here.
const NOW_S: i64 = 1_700_000_000;

fn now_us() -> u64 {
    NOW_S as u64 * 1_000_000
}

/// A judge over a state with these tokens, each under the text of its place.
fn judge(settings: &ProxySettings, tokens: Vec<ApiToken>) -> (Judge, Arc<Reader>) {
    let state = Arc::new(Reader::at(RULES_NEWEST));
    let hashed = |(place, token): (usize, ApiToken)| (token_hash(text(place).as_bytes()), token);
    state.take_tokens(tokens.into_iter().enumerate().map(hashed).collect());
    (Judge::new(settings, state.clone(), Arc::default(), now_us), state)
}

fn asking(auth: Auth) -> ProxySettings {
    ProxySettings { auth: Some(auth), ..ProxySettings::default() }
}

/// The text of the token at a place.
fn text(place: usize) -> String {
    token_text(&[u8::try_from(place).unwrap(); TOKEN_SECRET_BYTES])
}

fn shown(token: &str) -> Shown {
    Shown { token: Bytes::copy_from_slice(token.as_bytes()), ..Shown::default() }
}

fn certified(name: &str) -> Shown {
    Shown { certificate: name.to_owned(), ..Shown::default() }
}

fn request(verb: Verb, resource: Resource) -> Request {
    let (tenant, principal) = (String::new(), String::new());
    Request { verb, resource, attributes: Attributes::default(), tenant, principal, idempotency_key: None }
}

/// A request of this verb on the list `demo`, its record, its campaign group, or narrowed to the list.
fn on(verb: Verb, kind: ResourceType) -> Request {
    let resource = match kind {
        ResourceType::Records => Resource::Record(Handle(1)),
        ResourceType::Phones => Resource::Phone("555".into()),
        ResourceType::CustomerIds => Resource::Customer("K-7".into()),
        ResourceType::Lists => Resource::List("demo".into()),
        ResourceType::CampaignGroups => Resource::CampaignGroup("demo@Agents".into()),
    };
    let mut asked = request(verb, resource);
    if matches!(kind, ResourceType::Phones | ResourceType::CustomerIds) {
        asked.attributes.set(key::CALLING_LIST, Value::text("demo"));
    }
    asked
}

fn scopes(words: &[&str]) -> AccessScopes {
    AccessScopes::parse(words.iter().copied()).unwrap()
}

fn token(name: &str, words: &[&str]) -> ApiToken {
    ApiToken { name: name.into(), scopes: scopes(words), ..ApiToken::default() }
}

/// The code of a refusal and its reason; "taken" for a request that is taken.
fn verdict(judge: &Judge, shown: &Shown, request: &Request) -> String {
    let before = Reason::ALL.map(|reason| judge.refused.of(reason));
    let admission = judge.admit(shown, request, true);
    let counted = Reason::ALL.into_iter().zip(before).filter(|(reason, before)| judge.refused.of(*reason) > *before);
    let counted: Vec<&str> = counted.map(|(reason, _)| reason.word()).collect();
    match admission {
        Admission::AsSent | Admission::As(_) => {
            assert!(counted.is_empty(), "{counted:?}");
            "taken".to_owned()
        }
        Admission::Refused(reply) => format!("{} {}", refusal(&reply).code.word(), counted.join(",")),
        Admission::Unsettled => "unsettled".to_owned(),
    }
}

fn refusal(reply: &Reply) -> &Refusal {
    match &reply.body {
        ReplyBody::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn refused(judge: &Judge, shown: &Shown, request: &Request) -> Refusal {
    match judge.admit(shown, request, true) {
        Admission::Refused(reply) => refusal(&reply).clone(),
        other => panic!("{other:?}"),
    }
}

fn known(judge: &Judge, shown: &Shown, request: &Request) -> (String, String) {
    match judge.admit(shown, request, false) {
        Admission::As(Known { tenant, principal }) => (tenant, principal),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_request_is_judged_by_the_state_of_its_credential() {
    let every: Vec<(Verb, ResourceType)> =
        Verb::all().flat_map(|verb| verb.on().iter().map(move |kind| (verb, *kind))).collect();
    assert!(every.len() > Verb::all().count());
    for (verb, kind) in every {
        let scope = verb.scope().word();
        let others: Vec<&str> =
            AccessScope::ALL.map(AccessScope::word).into_iter().filter(|word| *word != scope).collect();
        let good = || ApiToken { lists: vec![101], tenant: "north".into(), ..token("good", &[scope]) };
        let tokens = vec![
            good(),
            ApiToken { expires_s: Some(NOW_S), ..good() },
            token("another scope", &others),
            ApiToken { lists: vec![300], ..good() },
            ApiToken { tenant: "south".into(), ..good() },
        ];
        let (judge, state) = judge(&asking(Auth::Tokens), tokens);
        let asked = Request { tenant: "north".into(), ..on(verb, kind) };
        let verdicts: Vec<String> = [
            Shown::default(),
            shown("ocs_00"),
            shown(&text(9)),
            shown(&text(1)),
            shown(&text(2)),
            shown(&text(3)),
            shown(&text(4)),
            shown(&text(0)),
        ]
        .iter()
        .map(|shown| verdict(&judge, shown, &asked))
        .collect();
        let expected = [
            "UNAUTHENTICATED missing",
            "UNAUTHENTICATED unknown",
            "UNAUTHENTICATED unknown",
            "UNAUTHENTICATED expired",
            "FORBIDDEN scope",
            "FORBIDDEN list",
            "FORBIDDEN tenant",
            "taken",
        ];
        assert_eq!(verdicts, expected, "{verb:?} on {kind:?}");
        state.take_tokens(ApiTokens::new());
        assert_eq!(verdict(&judge, &shown(&text(0)), &asked), "UNAUTHENTICATED unknown", "{verb:?}: revoked");
    }
}

#[test]
fn a_token_counts_until_the_second_of_its_end() {
    let until = |expires_s| ApiToken { expires_s: Some(expires_s), ..token("t", &["read"]) };
    let (judge, _) = judge(&asking(Auth::Tokens), vec![until(NOW_S + 1), until(NOW_S), until(NOW_S - 1)]);
    let read = request(Verb::GetRecord, Resource::Record(Handle(1)));
    let verdicts = [0, 1, 2].map(|place| verdict(&judge, &shown(&text(place)), &read));
    assert_eq!(verdicts, ["taken", "UNAUTHENTICATED expired", "UNAUTHENTICATED expired"]);
}

#[test]
fn a_request_bears_the_name_of_its_token_and_a_tenant_that_the_token_allows() {
    let of = |tenant: &str| ApiToken { tenant: tenant.into(), ..token("crm", &["read"]) };
    let (judge, _) = judge(&asking(Auth::Tokens), vec![of(""), of("north"), of("default")]);
    let named = |tenant: &str| Request { tenant: tenant.into(), ..on(Verb::GetRecord, ResourceType::Records) };
    for (place, sent, stamped) in [
        (0, "", ""),
        (0, "south", "south"),
        (1, "", "north"),
        (1, "north", "north"),
        (2, "", "default"),
        (2, "default", "default"),
    ] {
        let expected = (stamped.to_owned(), "crm".to_owned());
        assert_eq!(known(&judge, &shown(&text(place)), &named(sent)), expected, "{place} {sent:?}");
    }
    for (place, sent) in [(1, "south"), (1, "default"), (2, "north")] {
        assert_eq!(verdict(&judge, &shown(&text(place)), &named(sent)), "FORBIDDEN tenant", "{place} {sent:?}");
    }
}

#[test]
fn a_refusal_names_the_missing_scope_or_the_list() {
    let listed = ApiToken { lists: vec![101], ..token("listed", &["read", "update"]) };
    let (judge, _) = judge(&asking(Auth::Tokens), vec![listed]);
    let by = shown(&text(0));
    let load = refused(&judge, &by, &on(Verb::LoadCampaign, ResourceType::CampaignGroups));
    assert_eq!(load.message, "LoadCampaign needs the scope admin, and \"listed\" has read, update");
    assert_eq!(load.attributes, [(key::SCOPE.to_owned(), Value::text("admin"))]);
    let list = |name: &str| vec![(key::CALLING_LIST.to_owned(), Value::text(name))];
    for (asked, named) in [
        (request(Verb::AddRecord, Resource::List("other".into())), "other"),
        (request(Verb::AddRecord, Resource::List("nowhere".into())), "nowhere"),
        (request(Verb::RecordProcessed, Resource::Record(Handle(2))), "other"),
    ] {
        let refusal = refused(&judge, &by, &asked);
        assert_eq!(refusal.message, format!("\"listed\" does not reach the list {named:?}"));
        assert_eq!(refusal.attributes, list(named), "{asked:?}");
    }
    let everywhere = request(Verb::DoNotCall, Resource::Phone("555".into()));
    let refusal = refused(&judge, &by, &everywhere);
    assert!(refusal.message.contains("name one of them in GSW_CALLING_LIST"), "{refusal:?}");
}

#[test]
fn a_record_that_this_node_does_not_know_is_asked_for_again_before_it_is_denied() {
    let listed = ApiToken { lists: vec![101], ..token("listed", &["read", "admin"]) };
    let (judge, _) = judge(&asking(Auth::Tokens), vec![listed, token("all", &["read"])]);
    let (record, group) = (Resource::Record(Handle(9)), Resource::CampaignGroup("9".into()));
    for (asked, code) in [
        (request(Verb::GetRecord, record.clone()), RefusalCode::RecordNotFound),
        (request(Verb::LoadCampaign, group), RefusalCode::GroupNotFound),
    ] {
        assert_eq!(judge.admit(&shown(&text(0)), &asked, false), Admission::Unsettled);
        assert_eq!(refused(&judge, &shown(&text(0)), &asked).code, code);
    }
    assert_eq!(known(&judge, &shown(&text(1)), &request(Verb::GetRecord, record)).1, "all", "no list bounds this one");
    assert!(Reason::ALL.iter().all(|reason| judge.refused.of(*reason) == 0), "no refusal of access");
}

#[test]
fn a_certificate_has_the_rights_that_the_configuration_gives_it() {
    let certificate =
        node_config::CertificateAccess { name: "crm".into(), scopes: vec!["read".into()], tenant: "north".into() };
    let settings = |auth| ProxySettings { certificates: vec![certificate.clone()], ..asking(auth) };
    let (read, update) = (on(Verb::GetRecord, ResourceType::Records), on(Verb::RecordProcessed, ResourceType::Records));
    for auth in [Auth::Certificates, Auth::TokensOrCertificates] {
        let (judge, _) = judge(&settings(auth), vec![token("t", &["update"])]);
        assert_eq!(known(&judge, &certified("crm"), &read), ("north".to_owned(), "crm".to_owned()));
        assert_eq!(verdict(&judge, &certified("crm"), &update), "FORBIDDEN scope");
        assert_eq!(verdict(&judge, &certified("CRM"), &read), "UNAUTHENTICATED certificate");
        assert_eq!(verdict(&judge, &Shown::default(), &read), "UNAUTHENTICATED missing");
    }
    let (judge, _) = judge(&settings(Auth::TokensOrCertificates), vec![token("t", &["update"])]);
    let both = Shown { token: shown(&text(0)).token, ..certified("crm") };
    assert_eq!(known(&judge, &both, &update).1, "t");
    assert_eq!(verdict(&judge, &both, &read), "FORBIDDEN scope", "the token alone counts");
    let wrong = Shown { token: shown(&text(7)).token, ..certified("crm") };
    assert_eq!(verdict(&judge, &wrong, &read), "UNAUTHENTICATED unknown");
}

#[test]
fn each_mode_takes_its_own_credentials_alone() {
    let read = on(Verb::GetRecord, ResourceType::Records);
    let both = Shown { token: shown(&text(0)).token, ..certified("crm") };
    for (auth, verdict_of_both) in
        [(Auth::None, "taken"), (Auth::Tokens, "taken"), (Auth::Certificates, "UNAUTHENTICATED certificate")]
    {
        let (judge, _) = judge(&asking(auth), vec![token("t", &["read"])]);
        assert_eq!(verdict(&judge, &both, &read), verdict_of_both, "{auth:?}");
    }
    let (open, _) = judge(&ProxySettings::default(), Vec::new());
    assert_eq!(open.admit(&both, &read, false), Admission::AsSent);
}

#[test]
fn refusals_of_http_proxy_are_counted_beside_those_of_the_node() {
    let (judge, _) = judge(&asking(Auth::Tokens), Vec::new());
    judge.count(3, 2);
    judge.count(1, 0);
    assert_eq!(Reason::ALL.map(|reason| judge.refused.of(reason)), [4, 2, 0, 0, 0, 0, 0, 0, 0]);
}
