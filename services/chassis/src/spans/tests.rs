//! Ids and sampling, and the way of a span. One test installs a sink: the place is the process'.

use std::sync::Mutex;

use super::*;

const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_traceparent_is_read_as_the_standard_says_and_anything_else_is_none() {
    let (context, sampled) = traceparent(HEADER).unwrap();
    assert!(sampled);
    assert_eq!(context.to_string(), HEADER);
    assert_eq!(traceparent(&HEADER.replace("-01", "-00")).map(|(_, sampled)| sampled), Some(false));
    assert_eq!(traceparent(&HEADER.replace("-01", "-03")).map(|(_, sampled)| sampled), Some(true));
    let newer = HEADER.replacen("00-", "cc-", 1);
    assert_eq!(traceparent(&newer), Some((context, true)));
    assert_eq!(traceparent(&format!("{newer}-what-comes")), Some((context, true)));
    for wrong in [
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "zz-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e47é6-00f067aa0ba902b7-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
    ] {
        assert_eq!(traceparent(wrong), None, "{wrong}");
    }
}

#[test]
fn a_context_is_the_same_behind_a_wire_and_other_bytes_are_none() {
    let context = SpanContext::root();
    let bytes = context.to_bytes();
    assert_eq!(SpanContext::from_bytes(&bytes), Some(context));
    assert_eq!(SpanContext::from_parts(&context.trace(), &context.span()), Some(context));
    for wrong in [&bytes[..0], &bytes[..23], &[0; CONTEXT_BYTES][..], &[1; CONTEXT_BYTES + 1][..]] {
        assert_eq!(SpanContext::from_bytes(wrong), None, "{wrong:?}");
    }
    let child = context.child();
    assert!(child.trace == context.trace && child.span != context.span);
    assert_ne!(SpanContext::root().trace, SpanContext::root().trace);
}

#[test]
fn spans_are_recorded_while_a_sink_is_installed_and_as_the_sampler_says() {
    let all = Sampler::of_millionths(WHOLE).unwrap();
    assert!(all.begin("request", Some(HEADER)).is_none(), "traces are off");
    assert!(OpenSpan::within("work", Some(SpanContext::root())).is_none());
    let taken: Arc<Mutex<Vec<Span>>> = Arc::default();
    let of_sink = taken.clone();
    let installed = install(Arc::new(move |span| of_sink.lock().unwrap().push(span))).unwrap();
    assert!(install(Arc::new(|_| ())).is_none(), "one place at a time");

    let request = all.begin("request", Some(HEADER)).unwrap();
    let work = OpenSpan::within("work", Some(request.context())).unwrap();
    work.end(vec![("ocs.entries".into(), Attribute::Number(3))], true);
    request.end(Vec::new(), false);
    let spans = std::mem::take(&mut *taken.lock().unwrap());
    let (caller, _) = traceparent(HEADER).unwrap();
    let facts: Vec<_> = spans.iter().map(|span| (&*span.name, span.remote_parent, span.failed)).collect();
    assert_eq!(facts, [("work", false, true), ("request", true, false)]);
    assert_eq!(spans[0].parent, Some(spans[1].context.span()));
    assert_eq!(spans[1].parent, Some(caller.span()));
    assert!(spans.iter().all(|span| span.context.trace() == caller.trace() && span.start <= span.end));

    let none = Sampler::of_millionths(1).unwrap();
    assert!(none.begin("request", Some(HEADER)).is_some(), "the caller has decided");
    assert!(all.begin("request", Some(&HEADER.replace("-01", "-00"))).is_none(), "the caller has decided");
    assert!(all.begin("request", Some("nonsense")).is_some());
    let begun = |sampler: Sampler| (0..20_000).filter(|_| sampler.begin("request", None).is_some()).count();
    assert_eq!(begun(all), 20_000);
    let half = begun(Sampler::of_millionths(500_000).unwrap());
    assert!((9_000..11_000).contains(&half), "{half}");
    assert_eq!(Sampler::of_millionths(0), None);

    drop(installed);
    assert!(!is_on() && all.begin("request", Some(HEADER)).is_none());
}
