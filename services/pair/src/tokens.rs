//! API tokens as a node judges requests by them: the state's rows, in memory.
//!
//! Never has a token's text. Filled by the machine, read by the node's entrance for HTTP.

use std::collections::HashMap;

use outbound::{AccessScopes, TokenHash};

/// An API token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiToken {
    /// For people and logs, as [`outbound::token_id`] gives the id.
    pub id: String,
    /// The principal of the token's requests.
    pub name: String,
    /// The scopes of the token.
    pub scopes: AccessScopes,
    /// DBIDs of the lists that requests may reach, sorted; empty: all lists.
    pub lists: Vec<u32>,
    /// The tenant of the token's requests; empty: any.
    pub tenant: String,
    /// UTC seconds from which on the token is refused; none: never.
    pub expires_s: Option<i64>,
}

/// All tokens of a state, by the SHA-256 of their texts.
pub type ApiTokens = HashMap<TokenHash, ApiToken>;
