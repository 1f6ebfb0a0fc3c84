//! The caller behind an order: named in the head of the order's command, and in the history of the role.
//!
//! Never judges a caller: `operator_orders` does. Called by the control API.

use std::{ops::Deref, sync::Arc};

use entrance::Caller;
use outbound::{Body, Reply};
use tokio::time::Instant;
use tonic::Extensions;

/// The native door, for the orders of one caller.
pub(super) struct Acting {
    door: Arc<pair::Door>,
    principal: String,
}

impl Acting {
    /// `principal`: the caller's name; empty: without a certificate.
    pub(super) fn new(door: Arc<pair::Door>, principal: impl Into<String>) -> Self {
        Self { door, principal: principal.into() }
    }

    /// The caller's name; empty: without a certificate.
    pub(super) fn principal(&self) -> &str {
        &self.principal
    }

    /// The reply to a command of the caller.
    pub(super) async fn order(&self, body: Body, deadline: Instant) -> Reply {
        self.door.answer_operator(&self.principal, body, deadline).await
    }
}

impl Deref for Acting {
    type Target = Arc<pair::Door>;

    fn deref(&self) -> &Self::Target {
        &self.door
    }
}

/// The caller's name; empty: without a certificate.
pub(super) fn principal_of(extensions: &Extensions) -> String {
    let caller = extensions.get::<Caller>();
    caller.and_then(|caller| caller.principal.as_deref()).unwrap_or_default().to_owned()
}

/// The caller by name and address, for the history.
pub(super) fn named(extensions: &Extensions) -> String {
    let Some(Caller { address, principal, .. }) = extensions.get::<Caller>() else {
        return "an operator".to_owned();
    };
    match principal {
        Some(principal) => format!("{principal} ({address})"),
        None => format!("an operator without a certificate ({address})"),
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
            (principal_of(&extensions), named(&extensions))
        };
        assert_eq!(of(Some("maria")), ("maria".to_owned(), "maria (10.0.0.9:4711)".to_owned()));
        let nobody = "an operator without a certificate (10.0.0.9:4711)";
        assert_eq!(of(None), (String::new(), nobody.to_owned()));
        assert_eq!(named(&Extensions::new()), "an operator");
    }
}
