//! The front of HTTP Proxy over a pair of sockets: the first byte cuts the others in two pieces, which a client sends, and then no more.

use http_proxy::front::Front;

thread_local! {
    /// A front has one runtime, and plays one connection at a time.
    static FRONT: Front = Front::new().expect("a runtime and a pair of sockets");
}

pub(super) fn read(bytes: &[u8]) -> bool {
    let Some((cut, rest)) = bytes.split_first() else { return false };
    let (first, second) = rest.split_at(rest.len() * usize::from(*cut) / 256);
    let answers = FRONT.with(|front| front.play(&[first, second])).expect("a pair of sockets");
    statuses(&answers).iter().any(|status| (200..300).contains(status))
}

/// The statuses of all answers: each is whole, readable, no sign of a bug, and none comes behind the last.
fn statuses(mut bytes: &[u8]) -> Vec<u16> {
    let (mut statuses, mut was_last) = (Vec::new(), false);
    while !bytes.is_empty() {
        assert!(!was_last, "an answer behind the last one: {:?}", String::from_utf8_lossy(bytes));
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head has an end");
        let (head, behind) = (String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase(), &bytes[end + 4..]);
        let status = head.strip_prefix("http/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
        let status: u16 = status.expect("a head begins with a status");
        assert_ne!(status, 500, "a bug: {:?}", String::from_utf8_lossy(behind));
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let body = if behind.first() == Some(&b'{') { &behind[..length] } else { &[] }; // the answer to HEAD has no body
        assert!(body.is_empty() || body.ends_with(b"}"), "a body that is cut off");
        was_last = head.lines().any(|line| line == "connection: close");
        statuses.push(status);
        bytes = &behind[body.len()..];
    }
    statuses
}
