//! The API tokens of the state, for threads that do not read the state: every request over HTTP asks for its token.
//!
//! Only the machine writes them. A token that a command takes back is out of the map before the command is answered.

use std::sync::Arc;

use outbound::{AccessScopes, TokenHash, TokenInfo, token_id};
use records::{ApiTokenRow, View, api_tokens, list};
use tokio::sync::watch;

use crate::{ApiToken, ApiTokens};

/// Cheap to clone; all clones show the same tokens.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens(Arc<watch::Sender<Arc<ApiTokens>>>);

impl Tokens {
    pub(super) fn of(state: &impl View) -> Self {
        let tokens = Self::default();
        tokens.show(state);
        tokens
    }

    /// Shows the tokens of this state from now on.
    pub(super) fn show(&self, state: &impl View) {
        let token = |(hash, row): (TokenHash, Arc<ApiTokenRow>)| (hash, shown(&hash, &row));
        self.0.send_replace(Arc::new(api_tokens(state).into_iter().map(token).collect()));
    }

    pub(super) fn now(&self) -> Arc<ApiTokens> {
        self.0.borrow().clone()
    }
}

fn shown(hash: &TokenHash, row: &ApiTokenRow) -> ApiToken {
    let ApiTokenRow { name, scopes, lists, tenant, expires_s, .. } = row.clone();
    ApiToken { id: token_id(hash), name, scopes: AccessScopes::of_bits(scopes), lists, tenant, expires_s }
}

/// The tokens for an operator, in the order of their creation.
pub(super) fn infos(state: &impl View) -> Vec<TokenInfo> {
    let mut tokens = api_tokens(state);
    tokens.sort_by_key(|(_, row)| row.stamp_us);
    tokens.into_iter().map(|(hash, row)| info(&hash, Arc::unwrap_or_clone(row), state)).collect()
}

fn info(hash: &TokenHash, row: ApiTokenRow, state: &impl View) -> TokenInfo {
    TokenInfo {
        id: token_id(hash),
        name: row.name,
        note: row.note,
        scopes: AccessScopes::of_bits(row.scopes).words(),
        lists: row.lists.iter().map(|dbid| list_name(state, *dbid)).collect(),
        tenant: row.tenant,
        expires_s: row.expires_s,
        created_us: row.stamp_us,
        created_by: row.created_by,
    }
}

/// The name of a list; `#` and its DBID when the list is gone.
pub(super) fn list_name(state: &impl View, dbid: u32) -> String {
    list(state, dbid).map_or_else(|| format!("#{dbid}"), |list| list.name.clone())
}
