//! Brings Do-Not-Call entries and index entries to the phone form of the group's rules version, a few hundred rows a command, once that
//! version is raised (R13 versions-are-replicated). Until all are, look-ups ask both forms. The state names the next rows.

use std::{sync::Arc, time::Duration};

use outbound::{Body, REWRITTEN_ROWS_MAX, RULES_WITH_PHONE_FORM, RewritePhones};
use pair::Door;

use super::{Duty, decide};

/// Interval of the check whether rows are to be rewritten.
const LOOK: Duration = Duration::from_secs(1);
/// Pause between two commands, so that clients' updates go first.
const PAUSE: Duration = Duration::from_millis(10);

/// Rewrites rows until the state says that every row is rewritten.
pub(crate) struct Phones(pub(crate) Arc<Door>);

impl Duty for Phones {
    const NAME: &'static str = "phones";

    async fn perform(&mut self) {
        while !self.0.engine().state().phones().0.done {
            if self.0.engine().state().rules_version() < RULES_WITH_PHONE_FORM {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            let rows = RewritePhones { rows_max: REWRITTEN_ROWS_MAX };
            if let Err(refusal) = decide(&self.0, Body::RewritePhones(rows)).await {
                tracing::warn!("phones are not brought to the form of the rules yet: {}", refusal.message);
                tokio::time::sleep(LOOK).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
