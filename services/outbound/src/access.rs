//! Access of clients: scopes, the scope that each request needs, and the text of API tokens.
//!
//! Never keeps a token's text: the state has the SHA-256 of the text alone. Called by `records`, by every entrance that judges a
//! credential, and by `ocsctl`, which draws a token.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::Verb;

/// The SHA-256 of a token's text.
pub type TokenHash = [u8; 32];

/// What a credential allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccessScope {
    /// Requests that only read.
    Read,
    /// Requests on records, phones, customers and lists, and previews.
    Update,
    /// Requests that control campaign groups; over REST declarations, removals from Do-Not-Call and orders to the node, too.
    Admin,
}

impl AccessScope {
    /// All, in the order of their bits.
    pub const ALL: [Self; 3] = [Self::Read, Self::Update, Self::Admin];

    /// The scope's word in configurations, commands and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Update => "update",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The scope of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.word() == word)
    }
}

/// A set of scopes; no scope contains another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccessScopes(u32);

impl AccessScopes {
    /// The set of these bits, as [`AccessScopes::bits`] gives them; unknown bits mean nothing.
    pub const fn of_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The set of these words.
    ///
    /// # Errors
    /// The first word that is no scope.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let add = |Self(bits): Self, word: &'a str| {
            AccessScope::parse(word).map(|scope| Self(bits | scope.bit())).ok_or(word)
        };
        words.into_iter().try_fold(Self::default(), add)
    }

    /// A bit for each scope, in the order of [`AccessScope::ALL`].
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether the set has a scope.
    pub const fn has(self, scope: AccessScope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// The words of the set.
    pub fn words(self) -> Vec<&'static str> {
        AccessScope::ALL.into_iter().filter(|scope| self.has(*scope)).map(AccessScope::word).collect()
    }
}

/// The scope that each request needs; the table of requests is `VERBS`.
const SCOPES: [(Verb, AccessScope); 18] = [
    (Verb::AddRecord, AccessScope::Update),
    (Verb::UpdateCallCompletionStats, AccessScope::Update),
    (Verb::RecordProcessed, AccessScope::Update),
    (Verb::RecordReschedule, AccessScope::Update),
    (Verb::ScheduledRecordReschedule, AccessScope::Update),
    (Verb::RequestRecordCancel, AccessScope::Update),
    (Verb::DoNotCall, AccessScope::Update),
    (Verb::RecordReject, AccessScope::Update),
    (Verb::ChainedRecordRequest, AccessScope::Read),
    (Verb::PreviewRecordRequest, AccessScope::Update),
    (Verb::CampaignStatusRequest, AccessScope::Read),
    (Verb::LoadCampaign, AccessScope::Admin),
    (Verb::StartDialing, AccessScope::Admin),
    (Verb::StopDialing, AccessScope::Admin),
    (Verb::UnloadCampaign, AccessScope::Admin),
    (Verb::ForceUnloadCampaign, AccessScope::Admin),
    (Verb::GetRecord, AccessScope::Read),
    (Verb::PatchRecord, AccessScope::Update),
];

impl Verb {
    /// The scope that a credential must have for a request of this verb.
    pub fn scope(self) -> AccessScope {
        let row = SCOPES.iter().find(|(verb, _)| *verb == self);
        row.map(|(_, scope)| *scope).expect("every verb has a scope")
    }
}

// === tokens ===

/// The begin of every token: scanners of repositories and of logs find a token by it.
pub const TOKEN_PREFIX: &str = "ocs_";
/// Random bytes of a token.
pub const TOKEN_SECRET_BYTES: usize = 32;
/// Digits of a token's id: its hash's first ones.
pub const TOKEN_ID_DIGITS: usize = 12;

/// The text of a token with this secret: the prefix and 64 hexadecimal digits.
pub fn token_text(secret: &[u8; TOKEN_SECRET_BYTES]) -> String {
    format!("{TOKEN_PREFIX}{}", hex(secret))
}

/// The hash under which the state has a token.
pub fn token_hash(text: &[u8]) -> TokenHash {
    Sha256::digest(text).into()
}

/// The id of a token, for people and logs: too few digits of the hash to find the hash by.
pub fn token_id(hash: &TokenHash) -> String {
    hex(&hash[..TOKEN_ID_DIGITS / 2])
}

/// Whether a text has the shape of a token somewhere inside.
pub fn holds_token(text: &str) -> bool {
    let is_secret = |rest: &[u8]| {
        let digits = rest.get(..2 * TOKEN_SECRET_BYTES);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    text.match_indices(TOKEN_PREFIX).any(|(at, prefix)| is_secret(&text.as_bytes()[at + prefix.len()..]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every text");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_one_scope_and_a_verb_that_reads_needs_no_more_than_read() {
        for verb in Verb::all() {
            assert_eq!(SCOPES.iter().filter(|(known, _)| *known == verb).count(), 1, "{verb:?}");
            assert_eq!(verb.reads(), verb.scope() == AccessScope::Read, "{verb:?}");
        }
        assert_eq!(SCOPES.len(), Verb::all().count());
    }

    #[test]
    fn a_set_has_the_scopes_of_its_words_and_names_a_word_that_is_none() {
        let set = AccessScopes::parse(["admin", "read", "read"]).unwrap();
        assert_eq!((set.words(), set.bits()), (vec!["read", "admin"], 0b101));
        assert!(set.has(AccessScope::Read) && !set.has(AccessScope::Update));
        assert_eq!(AccessScopes::of_bits(set.bits()), set);
        assert_eq!(AccessScopes::parse(["read", "Update"]), Err("Update"));
        assert_eq!(AccessScopes::parse([]).unwrap().words(), Vec::<&str>::new());
    }

    #[test]
    fn a_token_is_its_prefix_and_its_secret_and_its_id_is_a_piece_of_its_hash() {
        let text = token_text(&[0xab; TOKEN_SECRET_BYTES]);
        assert_eq!((text.len(), &text[..8]), (68, "ocs_abab"));
        let hash = token_hash(text.as_bytes());
        assert_eq!(token_id(&hash).len(), TOKEN_ID_DIGITS);
        assert!(hex(&hash).starts_with(&token_id(&hash)) && !text.contains(&token_id(&hash)));
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&token_hash(b"abc")), abc, "SHA-256, as FIPS 180 has it");
    }

    #[test]
    fn a_token_is_seen_wherever_it_stands_in_a_text() {
        let token = token_text(&[7; TOKEN_SECRET_BYTES]);
        for text in [
            token.clone(),
            format!("/lists/{token}?x"),
            format!("ocs_{token}"),
            token.to_uppercase().replace("OCS_", "ocs_"),
        ] {
            assert!(holds_token(&text), "{text}");
        }
        for text in ["", "ocs_", &token[..67], "ocs_ü", "OCS_0707"] {
            assert!(!holds_token(text), "{text}");
        }
    }
}
