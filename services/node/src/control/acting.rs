//! The caller behind an order: named in the head of the order's command, in the history of the role, and in the audit.
//!
//! Never judges a caller: `operator_orders` does. Called by the control API.

use std::{ops::Deref, sync::Arc};

use entrance::Caller;
use outbound::{Body, Refusal, Reply};
use tokio::time::Instant;
use tonic::Extensions;

use super::audited;
use crate::audit::{Auditor, NAMELESS, Who};

/// The native door, for the orders of one caller.
pub(super) struct Acting {
    door: Arc<pair::Door>,
    who: Who,
    auditor: Option<Auditor>,
}

impl Acting {
    /// `principal`: the caller's name; empty: without a certificate.
    #[cfg(test)]
    pub(super) fn new(door: Arc<pair::Door>, principal: impl Into<String>) -> Self {
        Self { door, who: Who { principal: principal.into(), ..Who::default() }, auditor: None }
    }

    /// The auditor notes changes that this node refuses before they are commands.
    pub(super) fn audited(door: Arc<pair::Door>, who: Who, auditor: Auditor) -> Self {
        Self { door, who, auditor: Some(auditor) }
    }

    /// The caller's name; empty: without a certificate.
    pub(super) fn principal(&self) -> &str {
        &self.who.principal
    }

    /// The reply to a command of the caller.
    pub(super) async fn order(&self, body: Body, deadline: Instant) -> Reply {
        self.door.answer_operator(&self.who.principal, &self.who.address, body, deadline).await
    }

    /// Notes a change that never became a command.
    pub(super) async fn note_refused(&self, what: &'static str, about: &str, refusal: &Refusal) {
        if let Some(auditor) = &self.auditor {
            auditor.note(self.who.clone(), audited::refused(what, about, refusal)).await;
        }
    }
}

impl Deref for Acting {
    type Target = Arc<pair::Door>;

    fn deref(&self) -> &Self::Target {
        &self.door
    }
}

/// The caller of a call.
pub(super) fn who(extensions: &Extensions) -> Who {
    let Some(Caller { address, principal, .. }) = extensions.get::<Caller>() else { return Who::default() };
    Who { principal: principal.as_deref().unwrap_or_default().to_owned(), address: address.to_string() }
}

/// The caller by name and address, for the history.
pub(super) fn named(extensions: &Extensions) -> String {
    let Some(Caller { address, principal, .. }) = extensions.get::<Caller>() else {
        return "an operator".to_owned();
    };
    match principal {
        Some(principal) => format!("{principal} ({address})"),
        None => format!("{NAMELESS} ({address})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_named_by_certificate_and_address() {
        let of = |principal: Option<&str>| {
            let mut extensions = Extensions::new();
            let address = "10.0.0.9:4711".parse().unwrap();
            extensions.insert(Caller { address, principal: principal.map(Into::into), operator: true });
            assert_eq!(Who::of_named(&named(&extensions)), who(&extensions), "the history keeps both");
            (who(&extensions).principal, named(&extensions))
        };
        assert_eq!(of(Some("maria")), ("maria".to_owned(), "maria (10.0.0.9:4711)".to_owned()));
        let nobody = "an operator without a certificate (10.0.0.9:4711)";
        assert_eq!(of(None), (String::new(), nobody.to_owned()));
        assert_eq!((named(&Extensions::new()), who(&Extensions::new())), ("an operator".to_owned(), Who::default()));
    }
}
