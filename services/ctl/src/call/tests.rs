//! Outcomes of a call to one node, with the exit code and the advice for each.

use super::*;

fn refused(code: &str) -> CallError {
    let refusal = Refusal { code: code.to_owned(), message: "why".to_owned(), attributes: Vec::new() };
    CallError::Refused(refusal)
}

#[test]
fn a_refusal_for_want_of_a_primary_is_exit_code_4_and_worth_another_try() {
    assert!(refused("UNAVAILABLE").retry());
    assert_eq!(refused("UNAVAILABLE").into_failure("a").exit_code(), 4);
    assert_eq!(CallError::Status(Status::unavailable("no primary")).into_failure("a").exit_code(), 4);
}

#[test]
fn a_business_no_is_exit_code_1_and_final() {
    assert!(!refused("LIST_NOT_FOUND").retry());
    let failure = refused("LIST_NOT_FOUND").into_failure("a");
    assert_eq!((failure.exit_code(), failure.to_string()), (1, "why (LIST_NOT_FOUND)".to_owned()));
    assert_eq!(CallError::Status(Status::invalid_argument("no")).into_failure("a").exit_code(), 1);
}

#[test]
fn a_status_without_a_message_is_still_a_sentence() {
    let line = |status| CallError::Status(status).into_failure("h:1").to_string();
    let older = "node h:1 runs a release that does not know this order: replace it first (docs/upgrade.md)";
    assert_eq!(line(Status::unimplemented("")), older);
    assert!(CallError::Status(Status::unimplemented("")).to_string().starts_with("it runs a release"));
    assert_eq!(line(Status::internal("")), "h:1: gRPC status Internal, without a message");
    assert_eq!(line(Status::internal("why")), "h:1: why");
}

#[test]
fn a_client_that_speaks_the_wrong_transport_is_told_which_options_help() {
    assert!(transport_fault("connection error detected: frame with invalid size").contains("give --ca --cert --key"));
    assert!(transport_fault("received corrupt message of type InvalidContentType").contains("does not speak TLS"));
    assert_eq!(transport_fault("Connection refused (os error 111)"), "Connection refused (os error 111)");
}

#[test]
fn a_port_that_refuses_tls_is_told_apart_from_silence_and_means_that_nothing_was_applied() {
    let ours = OurFiles { ca: "ca.pem".into(), certificate: "operator.pem".into() };
    let refused = CallError::Tls(TlsFault::of("received fatal alert: UnknownCA").unwrap()).naming(Some(&ours));
    assert!(refused.is_silence() && refused.retry() && !refused.maybe_applied());
    assert!(refused.weight() > CallError::TimedOut.weight(), "it says more than silence");
    assert_eq!((refused.state(), CallError::TimedOut.state()), ("TLS failed", "unreachable"));
    let failure = refused.into_failure("h:1");
    assert_eq!(failure.exit_code(), 3);
    assert!(failure.to_string().starts_with("h:1: TLS failed: the port refuses our certificate, --cert operator.pem"));
    let closed = || CallError::Unreachable(transport_fault("broken pipe"));
    assert!(closed().naming(None).to_string().contains("with TLS it wants --ca --cert --key"));
    let with_tls = closed().naming(Some(&ours)).to_string();
    assert!(with_tls.contains("refuses our certificate, operator.pem") && !with_tls.contains("--ca"), "{with_tls}");
}

#[test]
fn silence_is_exit_code_3() {
    assert_eq!(CallError::TimedOut.into_failure("a").exit_code(), 3);
    assert_eq!(CallError::Unreachable("refused".to_owned()).into_failure("a").exit_code(), 3);
}

#[test]
fn an_unknown_outcome_is_tried_again_and_ends_as_refused() {
    assert!(refused("OUTCOME_UNKNOWN").retry() && refused("BUSY").retry());
    assert!(refused("OUTCOME_UNKNOWN").maybe_applied() && !refused("UNAVAILABLE").maybe_applied());
    assert_eq!(refused("OUTCOME_UNKNOWN").into_failure("a").exit_code(), 1);
}
