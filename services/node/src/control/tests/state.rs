//! Orders and questions about the state: entries, tokens, lists, declarations, groups and records.

use super::*;

/// The native door, for the orders of maria.
fn maria(sources: Sources) -> acting::Acting {
    acting::Acting::new(sources.api.unwrap(), "maria")
}

fn refusal(reply: Option<wire::Reply>) -> wire::Refusal {
    match reply.unwrap().body {
        Some(reply::Body::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn nothing_is_taken_back_before_the_raise_and_the_refusal_says_what_raises() {
    let stage = stage(false).await;
    let mut client = stage.client();
    let deleted = client.delete_list(DeleteListRequest { list: "demo".into(), in_use: true }).await.unwrap();
    let asked = RemoveDoNotCall { phone: "+9991".into(), ..Default::default() };
    let removed = client.remove_do_not_call(asked).await.unwrap();
    for reply in [deleted.into_inner().reply, removed.into_inner().reply] {
        let refusal = refusal(reply);
        assert_eq!(refusal.code, "CONFLICT");
        assert!(refusal.message.contains("this needs version 3. `ocsctl upgrade finalize`"), "{}", refusal.message);
    }
    assert!(stage.group.proposed().is_empty());
    let asked = DoNotCallRequest { phone: "+999 1".into(), ..Default::default() };
    let mut entries = client.do_not_call(asked).await.unwrap().into_inner();
    let first = entries.message().await.unwrap().unwrap();
    assert_eq!((first.forms[0].as_str(), first.entries[0].since_us), ("+9991", 7));
    assert!(entries.message().await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_no_number_is_refused_where_entries_are_looked_up() {
    let stage = stage(false).await;
    let mut client = stage.client();
    let asked = DoNotCallRequest { phone: "hello".into(), ..Default::default() };
    let status = client.do_not_call(asked).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "The phone \"hello\" has no digit"));
}

#[tokio::test]
async fn entries_of_an_operator_wait_for_the_rules_that_know_them() {
    let tasks = Tasks::new();
    let (state, sources) = before_the_raise(&tasks);
    let (door, deadline) = (maria(sources), pair::fakes::in_ten_seconds());
    let row = || wire::DoNotCallRow { phone: "+9991".into(), ..Default::default() };
    let batch = || DoNotCallBatch { rows: vec![row()], ..Default::default() };
    let application = || ApplyDoNotCall { list: "demo".into(), rows_max: 1, ..Default::default() };
    let of_customer = || RemoveDoNotCall { customer: "c7".into(), ..Default::default() };
    let too_early = |reply| {
        let refusal = refusal(Some(reply));
        assert!(refusal.code == "CONFLICT" && refusal.message.contains("this needs version 5"), "{refusal:?}");
    };
    too_early(do_not_call::enter(&door, batch(), deadline).await);
    too_early(do_not_call::preview(&door, batch(), deadline).await.unwrap());
    too_early(do_not_call::apply(&door, application(), deadline).await);
    too_early(do_not_call::remove(&door, of_customer(), deadline).await);

    state.raise(NEWEST.rules);
    let previewed = do_not_call::preview(&door, batch(), deadline).await.unwrap();
    assert!(matches!(previewed.body, Some(reply::Body::Imported(imported)) if imported.added == 1));
    for reply in [
        do_not_call::enter(&door, batch(), deadline).await,
        do_not_call::apply(&door, application(), deadline).await,
        do_not_call::remove(&door, of_customer(), deadline).await,
    ] {
        assert!(matches!(reply.body, Some(reply::Body::Done(_))), "{reply:?}");
    }
}

#[tokio::test]
async fn changes_need_an_operator_where_operators_are_required_and_reads_do_not() {
    let refused = Arc::<RefusalCounts>::default();
    let stage = stage_for(false, Some(refused.clone())).await;
    let mut client = stage.client();
    let changes = [
        client.switchover(SwitchoverRequest::default()).await.map(drop),
        client.force_primary(ForcePrimaryRequest::default()).await.map(drop),
        client.import(ImportBatch { list: "demo".into(), ..Default::default() }).await.map(drop),
        client.create_token(CreateToken::default()).await.map(drop),
    ];
    for change in changes {
        let status = change.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{status}");
        assert!(status.message().contains("needs an operator's certificate"), "{status}");
    }
    assert_eq!(refused.of(Reason::Operator), 4);
    assert!(stage.group.proposed().is_empty());
    client.status(StatusRequest {}).await.unwrap();
    assert_eq!(client.list_tokens(ListTokensRequest {}).await.unwrap().into_inner().tokens[0].name, "crm");
}

#[tokio::test]
async fn without_a_quorum_the_known_tokens_are_listed_and_marked_and_other_reads_name_the_next_step() {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(core_status(3, A))));
    let door = Arc::new(api(&group, Arc::new(NoPeers), pair::fakes::short_hold(), &tasks));
    let listed = async || tokens::list(&door, pair::fakes::in_ten_seconds()).await.unwrap();
    assert!(!listed().await.unconfirmed);
    group.confirm_as(None);
    let alone = listed().await;
    assert!(alone.unconfirmed && alone.tokens[0].name == "crm", "{alone:?}");
    let refused = declared::show(&door, pair::fakes::in_ten_seconds()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    for part in ["The state cannot be read now: ", "`ocsctl status` names the nodes that are away"] {
        assert!(refused.message().contains(part), "{part}: {refused}");
    }
}

#[tokio::test]
async fn a_token_is_made_and_taken_back_by_a_command_that_names_the_operator() {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(core_status(3, A))));
    let state = Arc::new(Reader::at(outbound::RULES_WITH_TOKENS - 1));
    let door = api_over(state.clone(), &group, Arc::new(NoPeers), HoldConfig::default(), &tasks);
    let (door, deadline) = (acting::Acting::new(Arc::new(door), "maria"), pair::fakes::in_ten_seconds());
    let token = || CreateToken { name: "crm".into(), hash: vec![7; 32].into(), ..Default::default() };
    let early = refusal(Some(tokens::create(&door, token(), deadline).await));
    assert!(early.code == "CONFLICT" && early.message.contains("this needs version 6"), "{early:?}");
    state.raise(NEWEST.rules);
    let made = tokens::create(&door, token(), deadline).await;
    let revoked = tokens::revoke(&door, RevokeToken { id: "0123456789ab".into() }, deadline).await;
    for reply in [made, revoked] {
        assert!(matches!(reply.body, Some(reply::Body::Done(_))), "{reply:?}");
    }
    let proposed = group.proposed();
    assert!(matches!(&proposed[0].body, outbound::Body::CreateToken(token) if token.name == "crm"));
    assert!(matches!(&proposed[1].body, outbound::Body::RevokeToken(token) if token.id == "0123456789ab"));
    assert!(proposed.iter().all(|command| command.principal == "maria"));
}

#[tokio::test]
async fn a_list_in_use_is_deleted_only_where_that_is_asked_for() {
    let tasks = Tasks::new();
    let (state, sources) = before_the_raise(&tasks);
    state.raise(NEWEST.rules);
    let (door, long) = (maria(sources), data::Long::new(&tasks));
    let delete = |list: &str, in_use| {
        let asked = DeleteListRequest { list: list.to_owned(), in_use };
        undoing::delete_list(&door, &long, asked, Duration::from_secs(10))
    };
    let used = refusal(Some(delete("busy", false).await.unwrap()));
    assert!(used.message.contains("in use: 1 record retrieved") && used.message.contains("--in-use"), "{used:?}");
    for (list, in_use) in [("busy", true), ("demo", false)] {
        let reply = delete(list, in_use).await.unwrap();
        assert!(matches!(reply.body, Some(reply::Body::Done(_))), "{list}: {reply:?}");
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_shown_is_refused_under_every_rules_version() {
    let stage = stage(false).await;
    for name in ["..", "a\u{202e}b", "a\nb"] {
        let made = stage.client().create_list(CreateList { name: name.into(), ..Default::default() }).await.unwrap();
        assert_eq!(refusal(made.into_inner().reply).code, "BAD_VALUE", "{name:?}");
    }
    assert!(stage.group.proposed().is_empty());
}

#[tokio::test]
async fn a_declaration_is_planned_and_applied_only_by_rules_that_know_declarations() {
    let tasks = Tasks::new();
    let (state, sources) = before_the_raise(&tasks);
    let (door, deadline) = (maria(sources), pair::fakes::in_ten_seconds());
    let list = |name: &str| DeclaredList { name: name.into(), ..Default::default() };
    let asked = || ApplyDeclaration {
        declaration: Some(Declaration { lists: vec![list("new"), list("")], ..Default::default() }),
        ..Default::default()
    };
    let early = declared::plan(&door, asked(), deadline).await.unwrap_err();
    assert!(early.code() == Code::InvalidArgument && early.message().contains("this needs version 5"), "{early}");
    let early = refusal(Some(declared::apply(&door, asked(), deadline).await));
    assert!(early.code == "CONFLICT" && early.message.contains("this needs version 5"), "{early:?}");

    state.raise(NEWEST.rules);
    let plan = declared::plan(&door, asked(), deadline).await.unwrap();
    assert_eq!((plan.revision, plan.differences.as_slice()), (3, &["list new: new".to_owned()][..]));
    assert_eq!((plan.faults.len(), plan.faults[0].path.as_str()), (1, "lists."));
    let applied = declared::apply(&door, asked(), deadline).await;
    assert!(matches!(applied.body, Some(reply::Body::Done(_))), "{applied:?}");
    assert_eq!(declared::show(&door, deadline).await.unwrap().revision, 3);
}

#[tokio::test]
async fn groups_are_shown_with_their_holders_and_controlled_by_the_requests_of_clients() {
    let tasks = Tasks::new();
    let (state, sources) = before_the_raise(&tasks);
    state.raise(NEWEST.rules);
    let (door, deadline) = (maria(sources), pair::fakes::in_ten_seconds());
    let shown = |group: &str| declared::groups(&door, ShowGroupsRequest { group: group.into() }, deadline);
    let groups = shown("").await.unwrap().groups;
    assert_eq!((groups[0].state.as_str(), groups[0].held_total), ("Running", 1));
    assert_eq!((groups[0].held[0].agent.as_str(), groups[0].held[0].handle), ("agent1", 1));
    assert_eq!(shown("none@Agents").await.unwrap_err().code(), Code::NotFound);

    let control = |request: &str| {
        let asked = ControlGroupRequest { group: "demo@Agents".into(), request: request.into() };
        declared::control_group(&door, asked, deadline)
    };
    assert!(matches!(control("StartDialing").await.unwrap().body, Some(reply::Body::Done(_))));
    for wrong in ["PreviewRecordRequest", "startdialing", ""] {
        let status = control(wrong).await.unwrap_err();
        assert!(status.code() == Code::InvalidArgument && status.message().contains("StartDialing"), "{status}");
    }
}

#[tokio::test]
async fn a_record_that_is_shown_has_the_reason_why_no_group_gets_it() {
    let tasks = Tasks::new();
    let (state, sources) = before_the_raise(&tasks);
    let (door, deadline) = (maria(sources), pair::fakes::in_ten_seconds());
    let get = || data::get_record(&door, GetRecordRequest { handle: 1, ..Default::default() }, deadline);
    let shown = get().await.unwrap();
    assert_eq!((shown.not_dialable, shown.dialable), (None, false), "these rules know no previews");
    state.raise(NEWEST.rules);
    let why = get().await.unwrap().not_dialable.unwrap();
    assert_eq!((why.condition, why.until_s), (3, Some(1)));
}

#[tokio::test]
async fn a_list_that_is_shown_counts_records_that_are_never_open() {
    let stage = stage(false).await;
    for (count, counted) in [(true, Some((1, 1))), (false, None)] {
        let asked = ShowListRequest { name: "demo".into(), count };
        let shown = stage.client().show_list(asked).await.unwrap().into_inner();
        let counts = shown.lists[0].counts.map(|counts| (counts.records, counts.never_open));
        assert_eq!(counts, counted);
    }
}

#[tokio::test]
async fn an_export_is_streamed_and_an_unknown_list_refused() {
    let stage = stage(false).await;
    let mut client = stage.client();
    let asked = ExportRequest { list: "demo".into(), columns: Vec::new() };
    let mut rows = client.export(asked).await.unwrap().into_inner();
    assert_eq!(rows.message().await.unwrap().unwrap().columns, ["handle"]);
    assert!(rows.message().await.unwrap().is_some());
    assert!(rows.message().await.unwrap().is_none());
    let unknown = ExportRequest { list: "none".into(), columns: Vec::new() };
    assert_eq!(client.export(unknown).await.unwrap_err().code(), Code::NotFound);
}
