//! `token create`, `token list`, `token revoke`: API tokens for clients over HTTP.
//!
//! The secret is drawn here, shown once, and never sent: the nodes get the hash of the token's text.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use jiff::Timestamp;
use ocs_proto::{
    control::{ListTokensReply, ListTokensRequest, TokenInfo},
    outbound::{CreateToken, RevokeToken},
};
use outbound::{TOKEN_PREFIX, TOKEN_SECRET_BYTES, token_hash, token_id, token_text};
use serde::Serialize;

use crate::{
    call::{self, CallError},
    cli::{TokenCreateArgs, TokenRevokeArgs},
    cluster::{Client, Cluster},
    failure::Failure,
    print::{self, Out},
};

/// How long to look for a node that answers, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);

#[derive(Serialize)]
struct Created {
    id: String,
    name: String,
    /// The only place where the text ever stands.
    token: String,
}

/// Any data node forwards the order to the primary. The same order again is acknowledged again.
pub(crate) async fn create(cluster: &Cluster, out: Out, args: &TokenCreateArgs) -> Result<(), Failure> {
    let secret: [u8; TOKEN_SECRET_BYTES] = rand::random();
    let token = token_text(&secret);
    let hash = token_hash(token.as_bytes());
    let request = CreateToken {
        hash: hash.to_vec().into(),
        name: args.name.clone(),
        note: args.note.clone().unwrap_or_default(),
        scopes: args.scopes.clone(),
        lists: args.lists.clone(),
        tenant: args.tenant.clone().unwrap_or_default(),
        expires_s: args.expires,
    };
    let (id, maybe_made) = (token_id(&hash), AtomicBool::new(false));
    let ask = |mut client: Client| {
        let (request, maybe_made) = (request.clone(), &maybe_made);
        async move {
            let reply = client.create_token(request).await.map_err(CallError::from);
            let made = reply.and_then(|reply| call::done(reply.into_inner().reply));
            made.inspect_err(|error| {
                maybe_made.fetch_or(may_stand(error), Relaxed);
            })
        }
    };
    let made = cluster.on_any(RETRY_FOR, ask).await;
    made.map_err(|failure| {
        let open = format!(
            "token {id} may have been made, and nobody has its text: `ocsctl token revoke {id}`, then make another"
        );
        left(failure, maybe_made.load(Relaxed), "no token was made", &open)
    })?;
    out.show(&Created { id, name: args.name.clone(), token }, created)
}

/// Whether an attempt that failed may have changed something: a refused connection changed nothing.
fn may_stand(error: &CallError) -> bool {
    error.maybe_applied() && !matches!(error, CallError::Unreachable(why) if why.starts_with("Connection refused"))
}

/// The failure of an order, with the state in which the order leaves its token, and the next step.
fn left(failure: Failure, maybe_done: bool, undone: &str, open: &str) -> Failure {
    let state = if maybe_done { open } else { undone };
    match failure {
        Failure::NoPrimary(why) => {
            Failure::NoPrimary(format!("{why}; {state}; `ocsctl status` names the nodes that are away"))
        }
        Failure::Refused(why) if maybe_done => Failure::Refused(format!("{why}; {state}")),
        other => other,
    }
}

fn created(created: &Created) -> String {
    let name = print::visible(&created.name);
    let pairs = print::pairs(&[("id", created.id.as_str()), ("name", &*name), ("token", created.token.as_str())]);
    format!("{pairs}\n\nThe token is shown this once: its client sends it as `Authorization: Bearer TOKEN`.")
}

#[derive(Debug, Serialize)]
struct View {
    /// A quorum answered: the list is complete.
    confirmed: bool,
    tokens: Vec<Token>,
}

#[derive(Debug, Serialize)]
struct Token {
    id: String,
    name: String,
    note: String,
    scopes: Vec<String>,
    /// Empty: all lists.
    lists: Vec<String>,
    /// None: any tenant.
    tenant: Option<String>,
    /// RFC 3339; none: never.
    expires: Option<String>,
    expired: bool,
    created: String,
    created_by: Option<String>,
}

/// Asks any data node.
pub(crate) async fn list(cluster: &Cluster, out: Out) -> Result<(), Failure> {
    let ask = |mut client: Client| async move { Ok(client.list_tokens(ListTokensRequest {}).await?.into_inner()) };
    let ListTokensReply { tokens, unconfirmed } = cluster.on_any(RETRY_FOR, ask).await?;
    let now_s = Timestamp::now().as_second();
    let tokens = tokens.into_iter().map(|token| view(token, now_s)).collect();
    out.show(&View { confirmed: !unconfirmed, tokens }, table)
}

fn view(token: TokenInfo, now_s: i64) -> Token {
    let given = |text: String| (!text.is_empty()).then_some(text);
    let time = |second| Timestamp::from_second(second).map_or_else(|_| second.to_string(), |time| time.to_string());
    Token {
        id: token.id,
        name: token.name,
        note: token.note,
        scopes: token.scopes,
        lists: token.lists,
        tenant: given(token.tenant),
        expires: token.expires_s.map(time),
        expired: token.expires_s.is_some_and(|end_s| end_s <= now_s),
        created: print::time(token.created_us),
        created_by: given(token.created_by),
    }
}

fn table(view: &View) -> String {
    const UNCONFIRMED: &str = "no quorum answers: this is the knowledge of one node; the newest tokens may be missing, and a token that was \
                               revoked meanwhile may still be here; `ocsctl status` names the nodes that are away";
    let known = if view.tokens.is_empty() { "there is no token".to_owned() } else { rows(view) };
    if view.confirmed { known } else { format!("{known}\n{}", print::paragraph(UNCONFIRMED)) }
}

fn rows(view: &View) -> String {
    let row = |token: &Token| {
        let expires = token.expires.clone().unwrap_or_else(|| "never".to_owned());
        let lists = if token.lists.is_empty() { "all lists".to_owned() } else { token.lists.join(", ") };
        let tenant = token.tenant.iter().map(|tenant| format!("tenant {tenant}"));
        let note = Some(&token.note).filter(|note| !note.is_empty()).cloned();
        let bounds: Vec<String> = std::iter::once(lists).chain(tenant).chain(note).collect();
        [
            token.id.clone(),
            token.name.clone(),
            token.scopes.join(","),
            if token.expired { "past".to_owned() } else { expires },
            bounds.join("; "),
        ]
    };
    print::table(&["id", "name", "scopes", "expires", "reaches"], view.tokens.iter().map(row))
}

#[derive(Debug, Serialize)]
struct Revoked {
    id: String,
}

/// Any data node forwards the order to the primary. After an attempt of unknown outcome, "there is no such token" means that the
/// attempt had succeeded.
pub(crate) async fn revoke(cluster: &Cluster, out: Out, args: &TokenRevokeArgs) -> Result<(), Failure> {
    if args.id.starts_with(TOKEN_PREFIX) {
        // others read command lines, and a message would repeat the text
        return Err(Failure::Usage(
            "name the token by its id, as `ocsctl token list` shows it, never by its text".to_owned(),
        ));
    }
    let maybe_ours = AtomicBool::new(false);
    let ask = |mut client: Client| {
        let (request, maybe_ours) = (RevokeToken { id: args.id.clone() }, &maybe_ours);
        async move {
            let result = match client.revoke_token(request).await {
                Ok(reply) => call::done(reply.into_inner().reply).map(drop),
                Err(status) => Err(CallError::from(status)),
            };
            match result {
                Err(CallError::Refused(no)) if no.code == "BAD_VALUE" && maybe_ours.load(Relaxed) => Ok(()),
                Err(error) => {
                    maybe_ours.fetch_or(may_stand(&error), Relaxed);
                    Err(error)
                }
                Ok(()) => Ok(()),
            }
        }
    };
    let revoked = cluster.on_any(RETRY_FOR, ask).await;
    revoked.map_err(|failure| {
        let id = &args.id;
        let (undone, open) = (format!("token {id} still counts"), format!("token {id} may be revoked already"));
        left(failure, maybe_ours.load(Relaxed), &undone, &open)
    })?;
    out.show(&Revoked { id: args.id.clone() }, |revoked| {
        format!(
            "token {} is revoked: it counts no longer here, and on the other node in a moment",
            print::visible(&revoked.id)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_shown_with_their_bounds_and_whether_they_are_past() {
        let token = |name: &str, expires_s| TokenInfo {
            id: "0123456789ab".into(),
            name: name.into(),
            scopes: vec!["read".into(), "update".into()],
            expires_s,
            ..TokenInfo::default()
        };
        let bounded = TokenInfo { lists: vec!["demo".into()], tenant: "north".into(), ..token("crm", Some(86_400)) };
        let tokens = [bounded, token("old", Some(10)), token("x\u{1b}[2J", None)];
        let tokens = tokens.into_iter().map(|token| view(token, 10)).collect();
        let view = View { confirmed: true, tokens };
        assert_eq!(view.tokens.iter().map(|token| token.expired).collect::<Vec<_>>(), [false, true, false]);
        let shown = table(&view);
        for part in ["0123456789ab", "read,update", "1970-01-02T00:00:00Z", "demo; tenant north", "never", "all lists"]
        {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(shown.contains("past") && !shown.contains('\u{1b}'), "{shown}");
        assert_eq!(table(&View { confirmed: true, tokens: Vec::new() }), "there is no token");
        let alone = table(&View { confirmed: false, ..view });
        assert!(alone.starts_with(&shown), "what is known is shown all the same: {alone}");
        let flat = alone.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains("no quorum answers: this is the knowledge of one node"), "{alone}");
    }

    #[test]
    fn an_order_that_fails_tells_in_which_state_it_leaves_its_token() {
        let no_primary =
            |maybe| left(Failure::NoPrimary("no quorum".to_owned()), maybe, "none was made", "may be there");
        assert_eq!(no_primary(false).exit_code(), 4);
        for (maybe, state) in [(false, "none was made"), (true, "may be there")] {
            let line = format!("no quorum; {state}; `ocsctl status` names the nodes that are away");
            assert_eq!(no_primary(maybe).to_string(), line);
        }
        let refused = || Failure::Refused("no such list".to_owned());
        assert_eq!(left(refused(), false, "none", "may be"), refused(), "a refusal says enough");
        assert_eq!(left(refused(), true, "none", "may be").to_string(), "no such list; may be");
        assert!(!may_stand(&CallError::Unreachable("Connection refused (os error 111)".to_owned())));
        assert!(may_stand(&CallError::Unreachable("broken pipe".to_owned())) && may_stand(&CallError::TimedOut));
    }
}
