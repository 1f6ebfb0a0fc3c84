//! API tokens.

use outbound::{TOKEN_PREFIX, token_hash};

use crate::{Double, ocsctl};

#[tokio::test]
async fn a_token_is_shown_once_and_only_its_hash_is_sent() {
    let double = Double::start().await;
    double.state().lists.insert("demo".to_owned(), Vec::new());
    let words = ["token", "create", "crm", "--scopes", "read,update", "--list", "demo", "--expires", "2099-01-01"];
    let made = ocsctl(&double, &[&words[..], &["--note", "the CRM", "-o", "json"]].concat()).await;
    assert_eq!(made.code, 0, "{}", made.err);
    let (token, id) = (made.json()["token"].as_str().unwrap().to_owned(), made.json()["id"].clone());
    assert!(token.starts_with(TOKEN_PREFIX) && token.len() == 68 && !made.err.contains(&token), "{}", made.err);
    {
        let state = double.state();
        let sent = &state.tokens[0];
        assert_eq!(sent.hash, token_hash(token.as_bytes()).to_vec());
        assert_eq!(
            (sent.scopes.as_slice(), sent.lists.as_slice()),
            (&["read".to_owned(), "update".to_owned()][..], &["demo".to_owned()][..])
        );
        assert_eq!((sent.expires_s, sent.note.as_str(), sent.tenant.as_str()), (Some(4_070_908_800), "the CRM", ""));
    }
    let listed = ocsctl(&double, &["token", "list"]).await;
    assert!(listed.out.contains("crm") && listed.out.contains(id.as_str().unwrap()), "{}", listed.out);
    let hash: String = token_hash(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    for verb in [&["token", "list"][..], &["token", "list", "-o", "json"]] {
        let shown = ocsctl(&double, verb).await;
        assert!(!shown.out.contains(&token) && !shown.out.contains(&hash), "{}", shown.out);
    }
    let again = ocsctl(&double, &["token", "create", "crm", "--scopes", "read"]).await;
    assert!(again.out.contains(TOKEN_PREFIX) && !again.out.contains(&token), "each is another one: {}", again.out);
}

#[tokio::test]
async fn orders_about_tokens_go_on_over_an_outcome_that_is_not_known() {
    let double = Double::start().await;
    double.state().tokens_aborted = 1;
    let made = ocsctl(&double, &["token", "create", "crm", "--scopes", "admin", "-o", "json"]).await;
    assert_eq!((made.code, double.state().tokens.len()), (0, 1), "{}", made.err);
    double.state().tokens_aborted = 1;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let revoked = ocsctl(&double, &["token", "revoke", &id]).await;
    assert_eq!((revoked.code, double.state().tokens.len()), (0, 0), "{}", revoked.err);
    let absent = ocsctl(&double, &["token", "revoke", &id]).await;
    assert!(absent.code == 1 && absent.err.contains("There is no such token"), "{}", absent.err);
}

#[tokio::test]
async fn a_refused_token_is_not_shown_and_wrong_words_are_wrong_usage() {
    let double = Double::start().await;
    let refused = ocsctl(&double, &["token", "create", "crm", "--scopes", "read", "--list", "nowhere"]).await;
    assert!(refused.code == 1 && !refused.out.contains(TOKEN_PREFIX), "{}{}", refused.out, refused.err);
    let token = outbound::token_text(&[7; outbound::TOKEN_SECRET_BYTES]);
    for words in [
        &["token", "create", "crm"][..],
        &["token", "create", "crm", "--scopes", "all"],
        &["token", "create", "crm", "--scopes", "read", "--expires", "soon"],
        &["token", "revoke", &token],
    ] {
        let ran = ocsctl(&double, words).await;
        assert_eq!(ran.code, 2, "{words:?}");
        assert!(!ran.err.contains(&token), "{}", ran.err);
    }
}

#[tokio::test]
async fn without_a_quorum_the_tokens_that_a_node_knows_are_shown_and_marked() {
    let double = Double::start().await;
    let made = ocsctl(&double, &["token", "create", "crm", "--scopes", "read", "-o", "json"]).await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    double.state().no_quorum = true;
    let listed = ocsctl(&double, &["token", "list"]).await;
    assert_eq!(listed.code, 0, "{}", listed.err);
    assert!(listed.out.contains(&id) && listed.out.contains("no quorum answers"), "{}", listed.out);
    let listed = ocsctl(&double, &["token", "list", "-o", "json"]).await.json();
    assert_eq!((listed["confirmed"].as_bool(), listed["tokens"][0]["id"].as_str()), (Some(false), Some(id.as_str())));
}
