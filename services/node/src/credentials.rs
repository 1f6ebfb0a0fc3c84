//! Whether a request over HTTP may be taken: its credential, judged by the tokens of the state and the certificates of this node's
//! configuration.
//!
//! Never keeps or logs a credential, and never decides a rule of records: a request that may be taken gets the tenant and the
//! principal of its credential. Called by `link`, through its handler, for every request.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use chassis::lines::Causes;
use node_config::{Auth, ProxySettings};
use outbound::{
    AccessScope, AccessScopes, Refusal, RefusalCode, Reply, Request, Resource, Value, holds_token, key, token_hash,
    token_id,
};
use pair::StateReader;
use records::Reach;

/// Lines of the log about refusals, a minute and reason.
const LINES_PER_MINUTE: u32 = 6;
/// The reasons of HTTP Proxy, which hands over counts alone.
const NO_CREDENTIAL: &str = "they have no credential";
const MISPLACED: &str =
    "a token stands in a URI (revoke that token), in another header, under another scheme, or beside another token";

/// The credentials of a request as HTTP Proxy hands them over, and the address of the client.
#[derive(Clone, Default)]
pub struct Shown {
    /// The token, as sent; empty: none.
    pub token: Bytes,
    /// Name of the connection's certificate; empty: none.
    pub certificate: String,
    /// Of requests and calls that the audit may keep alone; empty: not handed over. No judgement reads the address.
    pub address: String,
}

/// The judgement of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// This node asks for no credentials: the request is taken as sent.
    AsSent,
    /// The request is taken, and its head names its client.
    As(Known),
    /// The request is not taken.
    Refused(Reply),
    /// This node's state may be too old to tell: the state is to be brought up to date, and the request judged again.
    Unsettled,
}

/// The client of a request, for the head of its command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The tenant of the request; empty: the default tenant.
    pub tenant: String,
    /// Name of the token or of the certificate.
    pub principal: String,
}

/// A call of the REST interface, as far as its judgement depends on it.
pub(crate) struct WantedCall<'a> {
    /// The call, for messages and logs.
    pub(crate) name: &'static str,
    /// The scope of its operation.
    pub(crate) scope: AccessScope,
    /// The tenant in its query; empty: none.
    pub(crate) tenant: &'a str,
    /// The lists in its reach.
    pub(crate) reach: CallReach,
}

/// The lists that a call of the REST interface reaches.
pub(crate) enum CallReach {
    /// Those of this request.
    Of(Request),
    /// Those that the answer shows: the caller leaves out the others.
    Shown,
    /// Every list.
    All,
    /// The group as a whole: of no tenant either.
    Group,
}

/// The client of an admitted call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct AdmittedCall {
    /// The tenant of the call; empty: any.
    pub(crate) tenant: String,
    /// Name of the token or of the certificate; empty: none is asked for.
    pub(crate) principal: String,
    /// DBIDs of the lists that the call may reach, sorted; empty: all lists.
    pub(crate) lists: Vec<u32>,
}

/// Why a request or an order was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The request has no credential.
    Missing,
    /// A token stood in a URI, in another header, under another scheme, or beside another token.
    Misplaced,
    /// The state has no such token: never made, or revoked.
    Unknown,
    /// The token's time is over.
    Expired,
    /// The configuration names no such certificate.
    Certificate,
    /// The credential has another scope.
    Scope,
    /// The credential reaches other lists.
    List,
    /// The credential is of another tenant.
    Tenant,
    /// An order over control without an operator's certificate.
    Operator,
}

impl Reason {
    /// All, in the order of their counts.
    pub const ALL: [Self; 9] = [
        Self::Missing,
        Self::Misplaced,
        Self::Unknown,
        Self::Expired,
        Self::Certificate,
        Self::Scope,
        Self::List,
        Self::Tenant,
        Self::Operator,
    ];

    /// The reason's label.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Misplaced => "misplaced",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Certificate => "certificate",
            Self::Scope => "scope",
            Self::List => "list",
            Self::Tenant => "tenant",
            Self::Operator => "operator",
        }
    }
}

/// Counts of refusals by their reason.
#[derive(Debug, Default)]
pub struct RefusalCounts([AtomicU64; Reason::ALL.len()]);

impl RefusalCounts {
    /// Adds refusals.
    pub fn add(&self, reason: Reason, count: u64) {
        self.0[reason as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// The refusals of a reason so far.
    pub fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }
}

/// The rights of a credential.
struct Rights<'a> {
    name: &'a str,
    scopes: AccessScopes,
    lists: &'a [u32],
    tenant: &'a str,
}

/// The rights of a client certificate, as the configuration has them.
struct Mapped {
    scopes: AccessScopes,
    tenant: String,
}

/// A refusal; without a reason the refusal is none of access, and not counted.
struct Refused {
    reason: Option<Reason>,
    refusal: Refusal,
}

impl Refused {
    fn new(reason: Reason, refusal: Refusal) -> Self {
        Self { reason: Some(reason), refusal }
    }
}

/// Judges the requests of one node's HTTP Proxy.
pub struct Judge {
    auth: Auth,
    certificates: HashMap<String, Mapped>,
    state: Arc<dyn StateReader>,
    refused: Arc<RefusalCounts>,
    lines: Causes,
    wall_us: fn() -> u64,
}

impl Judge {
    /// Judges by these settings and this state.
    ///
    /// The end of a token's time is compared with `wall_us`, this node's own clock: access ends at an entrance, and no decision on
    /// a record depends on it.
    pub fn new(
        settings: &ProxySettings,
        state: Arc<dyn StateReader>,
        refused: Arc<RefusalCounts>,
        wall_us: fn() -> u64,
    ) -> Self {
        let mapped = |certificate: &node_config::CertificateAccess| {
            let scopes = AccessScopes::parse(certificate.scopes.iter().map(String::as_str)).unwrap_or_default();
            (certificate.name.clone(), Mapped { scopes, tenant: certificate.tenant.clone() })
        };
        Self {
            auth: settings.auth.unwrap_or_default(),
            certificates: settings.certificates.iter().map(mapped).collect(),
            state,
            refused,
            lines: Causes::new(LINES_PER_MINUTE),
            wall_us,
        }
    }

    /// Judges a request; `settled`: this node's state has everything that was acknowledged before the request came.
    pub fn admit(&self, shown: &Shown, request: &Request, settled: bool) -> Admission {
        if self.auth == Auth::None {
            return Admission::AsSent;
        }
        match self.known(shown, request, settled) {
            Ok(Some(known)) => Admission::As(known),
            Ok(None) => Admission::Unsettled,
            Err(Refused { reason, refusal }) => {
                if let Some(reason) = reason {
                    self.tell(reason, shown, request.verb.name(), &refusal);
                }
                Admission::Refused(refusal.into())
            }
        }
    }

    /// Judges a call of the REST interface by a state that has everything acknowledged before the call.
    pub(crate) fn admit_call(&self, shown: &Shown, wanted: &WantedCall<'_>) -> Result<AdmittedCall, Reply> {
        if self.auth == Auth::None {
            return Ok(AdmittedCall { tenant: wanted.tenant.to_owned(), ..AdmittedCall::default() });
        }
        self.with_rights(shown, |rights| self.within_call(rights, wanted)).map_err(|Refused { reason, refusal }| {
            if let Some(reason) = reason {
                self.tell(reason, shown, wanted.name, &refusal);
            }
            refusal.into()
        })
    }

    fn within_call(&self, rights: &Rights<'_>, wanted: &WantedCall<'_>) -> Result<AdmittedCall, Refused> {
        check_scope(rights, wanted.name, wanted.scope)?;
        let tenant = tenant(rights, wanted.tenant)?;
        match &wanted.reach {
            CallReach::Of(request) if !rights.lists.is_empty() => {
                self.reaches(rights, request, true)?;
            }
            CallReach::Of(_) | CallReach::Shown => {}
            CallReach::Group if !rights.tenant.is_empty() => {
                let message =
                    format!("{:?} is of the tenant {:?}, and this concerns every tenant", rights.name, rights.tenant);
                return Err(Refused::new(Reason::Tenant, Refusal::new(RefusalCode::Forbidden, message)));
            }
            CallReach::All | CallReach::Group if !rights.lists.is_empty() => {
                let message = format!("{:?} reaches some lists alone, and this concerns every list", rights.name);
                return Err(Refused::new(Reason::List, Refusal::new(RefusalCode::Forbidden, message)));
            }
            CallReach::All | CallReach::Group => {}
        }
        Ok(AdmittedCall { tenant, principal: rights.name.to_owned(), lists: rights.lists.to_vec() })
    }

    /// Takes in the refusals of HTTP Proxy itself.
    pub fn count(&self, missing: u32, misplaced: u32) {
        for (reason, count) in [(Reason::Missing, missing), (Reason::Misplaced, misplaced)] {
            self.refused.add(reason, count.into());
            if count > 0
                && let Some(more) = self.lines.line(reason.word())
            {
                let why = if reason == Reason::Missing { NO_CREDENTIAL } else { MISPLACED };
                tracing::warn!(reason = reason.word(), count, "requests over HTTP are refused: {why}{more}");
            }
        }
    }

    /// None: not settled.
    fn known(&self, shown: &Shown, request: &Request, settled: bool) -> Result<Option<Known>, Refused> {
        self.with_rights(shown, |rights| self.within(rights, request, settled))
    }

    /// The judgement under the rights of a credential. A token goes before a certificate: the client chose to send it.
    fn with_rights<T>(
        &self,
        shown: &Shown,
        judge: impl FnOnce(&Rights<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        if self.auth.takes_tokens() && !shown.token.is_empty() {
            let tokens = self.state.api_tokens();
            let Some(token) = tokens.get(&token_hash(&shown.token)) else {
                return Err(unauthenticated(Reason::Unknown, "the API token is unknown, or was revoked"));
            };
            if token.expires_s.is_some_and(|end_s| end_s <= self.now_s()) {
                return Err(unauthenticated(Reason::Expired, "the API token has expired"));
            }
            let rights = Rights { name: &token.name, scopes: token.scopes, lists: &token.lists, tenant: &token.tenant };
            return judge(&rights);
        }
        if self.auth.takes_certificates() && !shown.certificate.is_empty() {
            let Some(Mapped { scopes, tenant }) = self.certificates.get(&shown.certificate) else {
                return Err(unauthenticated(Reason::Certificate, "the client certificate has no rights here"));
            };
            let rights = Rights { name: &shown.certificate, scopes: *scopes, lists: &[], tenant };
            return judge(&rights);
        }
        Err(unauthenticated(Reason::Missing, "the request has no credential"))
    }

    /// Whether a request is within some rights. None: not settled.
    fn within(&self, rights: &Rights<'_>, request: &Request, settled: bool) -> Result<Option<Known>, Refused> {
        check_scope(rights, request.verb.name(), request.verb.scope())?;
        let tenant = tenant(rights, &request.tenant)?;
        if !rights.lists.is_empty() && !self.reaches(rights, request, settled)? {
            return Ok(None);
        }
        Ok(Some(Known { tenant, principal: rights.name.to_owned() }))
    }

    /// Whether every list of a request is one of the rights'; false: not settled.
    fn reaches(&self, rights: &Rights<'_>, request: &Request, settled: bool) -> Result<bool, Refused> {
        let lists = match self.state.reach(request) {
            Reach::Lists(lists) => lists,
            Reach::All => {
                let message =
                    format!("{:?} reaches some lists alone: name one of them in {}", rights.name, key::CALLING_LIST);
                return Err(Refused::new(Reason::List, Refusal::new(RefusalCode::Forbidden, message)));
            }
            Reach::Unknown if settled => return Err(Refused { reason: None, refusal: not_found(&request.resource) }),
            Reach::Unknown => return Ok(false),
        };
        match lists.into_iter().find(|dbid| rights.lists.binary_search(dbid).is_err()) {
            Some(dbid) => {
                let list = self.list_name(dbid, request);
                let message = format!("{:?} does not reach the list {list:?}", rights.name);
                let refusal = Refusal::new(RefusalCode::Forbidden, message);
                Err(Refused::new(Reason::List, refusal.with(key::CALLING_LIST, Value::text(list))))
            }
            None => Ok(true),
        }
    }

    /// A list as the request names it, else by its name.
    fn list_name(&self, dbid: u32, request: &Request) -> String {
        match (&request.resource, request.attributes.get(key::CALLING_LIST)) {
            (Resource::List(identifier), _) => identifier.clone(),
            (Resource::Phone(_) | Resource::Customer(_), Some(Value::Str(name))) => name.clone(),
            _ => self.state.list_name(dbid),
        }
    }

    fn now_s(&self) -> i64 {
        i64::try_from((self.wall_us)() / 1_000_000).unwrap_or(i64::MAX)
    }

    /// Counts a refusal, and writes a line as long as the reason's budget lasts. A text that has not the shape of a token is no
    /// secret of this group, and its hash no name.
    fn tell(&self, reason: Reason, shown: &Shown, request: &'static str, refusal: &Refusal) {
        self.refused.add(reason, 1);
        let Some(more) = self.lines.line(reason.word()) else { return };
        let text = std::str::from_utf8(&shown.token).unwrap_or_default();
        let token = if holds_token(text) { token_id(&token_hash(&shown.token)) } else { String::new() };
        let reason = reason.word();
        let certificate = shown.certificate.escape_debug();
        tracing::warn!(reason, request, token, %certificate, "a request over HTTP is refused: {}{more}", refusal.message);
    }
}

fn unauthenticated(reason: Reason, message: &str) -> Refused {
    Refused::new(reason, Refusal::new(RefusalCode::Unauthenticated, message))
}

fn check_scope(rights: &Rights<'_>, verb: &str, scope: AccessScope) -> Result<(), Refused> {
    if rights.scopes.has(scope) {
        return Ok(());
    }
    let has = rights.scopes.words().join(", ");
    let message = format!("{verb} needs the scope {}, and {:?} has {has}", scope.word(), rights.name);
    let refusal = Refusal::new(RefusalCode::Forbidden, message).with(key::SCOPE, Value::text(scope.word()));
    Err(Refused::new(Reason::Scope, refusal))
}

/// The tenant of the head: the request's own, else that of the rights, since the rules take a request without a tenant on a record
/// or a list of every tenant.
fn tenant(rights: &Rights<'_>, named: &str) -> Result<String, Refused> {
    if rights.tenant.is_empty() || named == rights.tenant {
        return Ok(named.to_owned());
    }
    if named.is_empty() {
        return Ok(rights.tenant.to_owned());
    }
    let (name, own) = (rights.name, rights.tenant);
    let message = format!("{name:?} is of the tenant {own:?}, and the request names {named:?}");
    let refusal = Refusal::new(RefusalCode::Forbidden, message).with("tenant", Value::text(named));
    Err(Refused::new(Reason::Tenant, refusal))
}

/// As the rules refuse it: the handle or the name is not there.
fn not_found(resource: &Resource) -> Refusal {
    match resource {
        Resource::Record(handle) => {
            let message = format!("Record handle {} does not exist", handle.0);
            let number = i64::try_from(handle.0).unwrap_or(i64::MAX);
            Refusal::new(RefusalCode::RecordNotFound, message).with(key::RECORD_HANDLE, Value::Int(number))
        }
        other => {
            let message = format!("There is no campaign group {:?}", other.identifier());
            Refusal::new(RefusalCode::GroupNotFound, message)
        }
    }
}
