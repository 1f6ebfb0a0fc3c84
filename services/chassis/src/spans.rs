//! Spans of requests, for OpenTelemetry: their ids, the header `traceparent` of W3C Trace Context, sampling, and the way of finished
//! spans out of this process.
//!
//! Off until [`install`] names a place for finished spans: [`is_on`] is a relaxed load, and nothing else is computed. Never
//! exports a span and never waits: `node` exports, HTTP Proxy hands its spans to its node.

use std::{
    borrow::Cow,
    cell::Cell,
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hasher},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

/// Bytes of a context on a wire.
pub const CONTEXT_BYTES: usize = TRACE_BYTES + SPAN_BYTES;
const TRACE_BYTES: usize = 16;
const SPAN_BYTES: usize = 8;
/// Length of a `traceparent` of version 00.
const TRACEPARENT_LEN: usize = 55;
/// The flag of a sampled trace.
const SAMPLED: u8 = 1;
/// A ratio of 1, in millionths.
const WHOLE: u32 = 1_000_000;

/// The place of a sampled span: its trace, and its own id. A request that is not sampled has none.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanContext {
    trace: [u8; TRACE_BYTES],
    span: [u8; SPAN_BYTES],
}

impl SpanContext {
    /// The id of the trace.
    pub fn trace(&self) -> [u8; TRACE_BYTES] {
        self.trace
    }

    /// The id of the span.
    pub fn span(&self) -> [u8; SPAN_BYTES] {
        self.span
    }

    /// The bytes for a wire.
    pub fn to_bytes(&self) -> [u8; CONTEXT_BYTES] {
        let mut bytes = [0; CONTEXT_BYTES];
        bytes[..TRACE_BYTES].copy_from_slice(&self.trace);
        bytes[TRACE_BYTES..].copy_from_slice(&self.span);
        bytes
    }

    /// The context of bytes from a wire; none: the bytes are no context, as those of a request that is not sampled.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (trace, span) = bytes.split_first_chunk::<TRACE_BYTES>()?;
        let span: [u8; SPAN_BYTES] = span.try_into().ok()?;
        let context = Self { trace: *trace, span };
        context.is_valid().then_some(context)
    }

    /// The parts of ids that a process has sent; none: they are no ids.
    pub fn from_parts(trace: &[u8], span: &[u8]) -> Option<Self> {
        let context = Self { trace: trace.try_into().ok()?, span: span.try_into().ok()? };
        context.is_valid().then_some(context)
    }

    /// A new span of the same trace.
    fn child(&self) -> Self {
        Self { trace: self.trace, span: random().to_be_bytes() }
    }

    /// The first span of a new trace.
    fn root() -> Self {
        let mut trace = [0; TRACE_BYTES];
        trace[..SPAN_BYTES].copy_from_slice(&random().to_be_bytes());
        trace[SPAN_BYTES..].copy_from_slice(&random().to_be_bytes());
        Self { trace, span: random().to_be_bytes() }
    }

    fn is_valid(&self) -> bool {
        self.trace != [0; TRACE_BYTES] && self.span != [0; SPAN_BYTES]
    }
}

/// As `traceparent` has them: the ids of a sampled span.
impl fmt::Display for SpanContext {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("00-")?;
        self.trace.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
        out.write_str("-")?;
        self.span.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
        write!(out, "-{SAMPLED:02x}")
    }
}

impl fmt::Debug for SpanContext {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The caller's span in a `traceparent`, and whether the caller samples the trace; none: the header is no such header.
fn traceparent(header: &str) -> Option<(SpanContext, bool)> {
    let known = header.get(..TRACEPARENT_LEN)?;
    let (version, rest) = (known.get(..2)?, &header[TRACEPARENT_LEN..]);
    let newer = version != "00" && version != "ff" && hex::<1>(version).is_some();
    let ends = rest.is_empty() || (newer && rest.starts_with('-'));
    if !ends || (version != "00" && !newer) {
        return None;
    }
    let mut parts = known.split('-').skip(1);
    let (trace, span, flags) = (hex(parts.next()?)?, hex(parts.next()?)?, hex::<1>(parts.next()?)?);
    let context = SpanContext { trace, span };
    (parts.next().is_none() && context.is_valid()).then_some((context, flags[0] & SAMPLED != 0))
}

/// Bytes of digits in small letters.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = (value(digits[0])? << 4) | value(digits[1])?;
    }
    Some(bytes)
}

/// The decision which requests are traced, made where a request enters the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    /// Traces whose id is below are sampled.
    below: u128,
}

impl Sampler {
    /// Samples so many of a million traces that begin here; none: traces are off.
    pub fn of_millionths(millionths: u32) -> Option<Self> {
        let below = (1_u128 << 64) * u128::from(millionths.min(WHOLE)) / u128::from(WHOLE);
        (millionths > 0).then_some(Self { below })
    }

    /// Begins the span of a request; none: the request is not traced. A caller's own decision in its `traceparent` counts.
    pub fn begin(&self, name: &'static str, header: Option<&str>) -> Option<OpenSpan> {
        if !is_on() {
            return None;
        }
        match header.and_then(traceparent) {
            Some((caller, true)) => Some(OpenSpan::new(name, caller.child(), Some(caller), true)),
            Some((_, false)) => None,
            None => {
                let context = SpanContext::root();
                let (_, low) = context.trace.split_at(SPAN_BYTES);
                let low = low.iter().fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
                (low < self.below).then(|| OpenSpan::new(name, context, None, false))
            }
        }
    }
}

/// A span that has not ended. Dropped without an end, the span is forgotten.
#[derive(Debug, Clone)]
pub struct OpenSpan {
    name: &'static str,
    context: SpanContext,
    parent: Option<SpanContext>,
    remote_parent: bool,
    start: SystemTime,
}

impl OpenSpan {
    fn new(name: &'static str, context: SpanContext, parent: Option<SpanContext>, remote_parent: bool) -> Self {
        Self { name, context, parent, remote_parent, start: SystemTime::now() }
    }

    /// Begins a span within another one of this group; none: the request is not traced, or traces are off here.
    pub fn within(name: &'static str, parent: Option<SpanContext>) -> Option<Self> {
        let parent = parent.filter(|_| is_on())?;
        Some(Self::new(name, parent.child(), Some(parent), false))
    }

    /// The place of this span, for the spans within.
    pub fn context(&self) -> SpanContext {
        self.context
    }

    /// When the span began.
    pub fn start(&self) -> SystemTime {
        self.start
    }

    /// Ends the span now, and hands the span over. `failed`: the work did not succeed.
    pub fn end(self, attributes: Vec<(Cow<'static, str>, Attribute)>, failed: bool) {
        let Self { name, context, parent, remote_parent, start } = self;
        let parent = parent.map(|parent| parent.span);
        let end = SystemTime::now();
        record(Span { context, parent, remote_parent, name: name.into(), start, end, attributes, failed });
    }
}

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// Words; never a phone, a key or any other content of a request.
    Text(String),
    /// A number.
    Number(i64),
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its place.
    pub context: SpanContext,
    /// The span around it; none: the span begins its trace.
    pub parent: Option<[u8; SPAN_BYTES]>,
    /// The parent is a client's span.
    pub remote_parent: bool,
    /// The kind of work.
    pub name: Cow<'static, str>,
    /// When the work began.
    pub start: SystemTime,
    /// When the work ended.
    pub end: SystemTime,
    /// Facts about the work.
    pub attributes: Vec<(Cow<'static, str>, Attribute)>,
    /// The work did not succeed.
    pub failed: bool,
}

/// Takes finished spans, on the thread that ends them: must not wait.
pub type Sink = Arc<dyn Fn(Span) + Send + Sync>;

static ON: AtomicBool = AtomicBool::new(false);
static SINK: RwLock<Option<Sink>> = RwLock::new(None);

/// Traces are on while this value lives.
#[derive(Debug)]
pub struct Installed(());

/// Whether spans are recorded in this process.
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// From now on finished spans go there; none: they go elsewhere already.
pub fn install(sink: Sink) -> Option<Installed> {
    let mut present = SINK.write().unwrap_or_else(PoisonError::into_inner);
    if present.is_some() {
        return None;
    }
    *present = Some(sink);
    ON.store(true, Ordering::Relaxed);
    Some(Installed(()))
}

impl Drop for Installed {
    fn drop(&mut self) {
        ON.store(false, Ordering::Relaxed);
        *SINK.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Hands a finished span over.
pub fn record(span: Span) {
    if !is_on() {
        return;
    }
    let sink = SINK.read().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(sink) = sink {
        sink(span);
    }
}

/// Random bits for ids: seeded from the system once a thread, and no secret.
fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().build_hasher().finish());
    }
    STATE.with(|state| {
        let next = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).max(1)
    })
}

#[cfg(test)]
mod tests;
