//! Requests as bytes. Each client has its own, and no two requests are alike: an exact repetition of a recent request would be
//! answered without being applied again.

use std::{
    fmt,
    io::{self, Write},
};

use clap::{Args, ValueEnum};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::answer;

/// Records of a page at most.
const PAGE_RECORDS: u32 = 100;
/// A call result that no record of a measurement has.
const NO_RECORD: &str = "&result=NuTone";

/// Phones that no file of a measurement has: ten digits behind a prefix.
const NEW_PHONES: u64 = 10_000_000_000;

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// `UpdateCallCompletionStats` with 256 bytes of user fields, another value each time
    Update,
    /// `GET /records/<handle>`
    Get,
    /// `GET /`
    Root,
    /// `PreviewRecordRequest`; each client is an agent
    Preview,
    /// `PreviewRecordRequest` and `RecordProcessed` of the record, together a sample; each client is an agent
    Cycle,
    /// `AddRecord` with a new phone
    Add,
    /// `RecordProcessed` by handle, each record once
    Processed,
    /// `RequestRecordCancel` by phone, each phone once; a phone has one open record
    CancelPhone,
    /// `DoNotCall` by a new phone
    Dnc,
    /// `GET /api/v1/lists/<list>/records?phone=`: a page with the record of a phone
    ByPhone,
    /// `GET /api/v1/lists/<list>/records`: the pages of a walk through the list, which begins anew behind the last
    Page,
    /// The same with a filter that no record fits: pages without a record
    EmptyPage,
}

/// The address and the resources of a loader's requests.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// host:port
    #[arg(long)]
    pub(crate) address: String,
    /// What each request does
    #[arg(long, value_enum, default_value = "update")]
    pub(crate) what: What,
    /// Records to choose from, by handles or by the numbers of their phones
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) records: u64,
    /// The first of these handles or numbers
    #[arg(long, default_value_t = 1)]
    pub(crate) first: u64,
    /// The list of new records
    #[arg(long, default_value = "bench")]
    pub(crate) list: String,
    /// The campaign group of previews
    #[arg(long, default_value = "Bench@Agents")]
    pub(crate) group: String,
}

impl Target {
    /// Updates of the first records.
    pub(crate) fn updates(address: &str, records: u64) -> Self {
        Self {
            address: address.to_owned(),
            what: What::Update,
            records,
            first: 1,
            list: String::new(),
            group: String::new(),
        }
    }
}

/// A client among the clients of a loader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// From 0.
    pub(crate) client: u64,
    pub(crate) clients: u64,
}

impl Place {
    /// The only client.
    pub(crate) const ALONE: Self = Self { client: 0, clients: 1 };
}

/// The requests of one client.
pub(crate) struct Request {
    target: Target,
    place: Place,
    /// The header line of a credential; empty: none.
    authorization: String,
    /// Requests so far that take each number once.
    taken: u64,
    /// The parameter of the next page of a walk; empty: the first page.
    cursor: String,
    body: Vec<u8>,
    random: SmallRng,
}

impl Request {
    /// Has a random source of its own.
    pub(crate) fn new(target: Target, place: Place) -> Self {
        let (authorization, cursor, body) = (String::new(), String::new(), Vec::with_capacity(512));
        Self { target, place, authorization, taken: 0, cursor, body, random: SmallRng::from_os_rng() }
    }

    /// The same requests, each with a header line, which ends in CR LF.
    pub(super) fn bearing(self, authorization: &str) -> Self {
        Self { authorization: authorization.to_owned(), ..self }
    }

    pub(crate) fn address(&self) -> &str {
        &self.target.address
    }

    /// Writes the next request over the content of the buffer; of a cycle the preview.
    pub(crate) fn write(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        match self.target.what {
            What::Root => self.get(buffer, format_args!("/")),
            What::Get => {
                let handle = self.any_number();
                self.get(buffer, format_args!("/records/{handle}"))
            }
            What::Update => self.write_update(buffer),
            What::Preview | What::Cycle => self.write_preview(buffer),
            What::Add => self.write_add(buffer),
            What::Processed => {
                let handle = self.next_number();
                self.write_processed(handle, buffer)
            }
            What::CancelPhone => self.write_cancel(buffer),
            What::Dnc => self.write_do_not_call(buffer),
            What::ByPhone => {
                let number = self.any_number();
                let list = &self.target.list;
                self.get(buffer, format_args!("/api/v1/lists/{list}/records?phone=%2B9995{number:08}"))
            }
            What::Page => self.write_page("", buffer),
            What::EmptyPage => self.write_page(NO_RECORD, buffer),
        }
    }

    /// Notes an answer, from which a walk goes on.
    pub(super) fn note(&mut self, answer: &[u8]) {
        if matches!(self.target.what, What::Page | What::EmptyPage) {
            self.cursor = answer::next(answer).map(|next| format!("&cursor={next}")).unwrap_or_default();
        }
    }

    /// Whether an answer to the request is the wanted one.
    pub(super) fn is_answered(&self, answer: &[u8]) -> bool {
        match self.target.what {
            What::Preview | What::Cycle => answer::is_preview(answer),
            What::CancelPhone => answer::is_ok(answer) && answer::records(answer) == Some(1),
            What::ByPhone | What::Page => answer::is_ok(answer) && answer::handle(answer).is_some(),
            What::EmptyPage => answer::is_ok(answer) && answer::is_empty_page(answer),
            _ => answer::is_ok(answer),
        }
    }

    /// Whether a report follows each answer.
    pub(super) fn has_report(&self) -> bool {
        self.target.what == What::Cycle
    }

    fn write_update(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let handle = self.any_number();
        let (one, other) = (self.random.random::<u64>(), self.random.random::<u64>());
        // {"note":"128 bytes","memo":"128 bytes"}
        write!(self.new_body(), "{{\"note\":\"{one:0>128}\",\"memo\":\"{other:0>128}\"}}")?;
        self.post(buffer, format_args!("/records/{handle}?req=UpdateCallCompletionStats"))
    }

    fn write_preview(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let agent = self.place.client;
        write!(self.new_body(), "{{\"GSW_AGENT_ID\":\"agent-{agent}\"}}")?;
        self.post(buffer, format_args!("/campaigngroups/{}?req=PreviewRecordRequest", self.target.group))
    }

    fn write_add(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let phone = self.random.random_range(0..NEW_PHONES);
        write!(self.new_body(), "{{\"GSW_PHONE\":\"+9998{phone:010}\"}}")?;
        self.post(buffer, format_args!("/lists/{}?req=AddRecord", self.target.list))
    }

    /// Writes the report of a call over the content of the buffer.
    pub(super) fn write_processed(&mut self, handle: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
        let reference: u32 = self.random.random();
        write!(self.new_body(), "{{\"GSW_CALL_RESULT\":\"Answer\",\"GSW_REFERENCE_ID\":{reference}}}")?;
        self.post(buffer, format_args!("/records/{handle}?req=RecordProcessed"))
    }

    fn write_cancel(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let (number, reference) = (self.next_number(), self.random.random::<u32>());
        write!(self.new_body(), "{{\"GSW_REFERENCE_ID\":{reference}}}")?;
        self.post(buffer, format_args!("/phones/+9995{number:08}?req=RequestRecordCancel"))
    }

    fn write_do_not_call(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let phone = self.random.random_range(0..NEW_PHONES);
        write!(self.new_body(), "{{\"GSW_MESSAGE\":\"asked by phone\"}}")?;
        self.post(buffer, format_args!("/phones/+9997{phone:010}?req=DoNotCall"))
    }

    fn write_page(&self, filter: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
        let (list, cursor) = (&self.target.list, &self.cursor);
        self.get(buffer, format_args!("/api/v1/lists/{list}/records?limit={PAGE_RECORDS}{filter}{cursor}"))
    }

    /// Any of the numbers.
    fn any_number(&mut self) -> u64 {
        self.target.first + self.random.random_range(0..self.target.records)
    }

    /// The next number of this client: the clients take the numbers in turn, and begin anew behind the last.
    fn next_number(&mut self) -> u64 {
        let offset = self.place.client + self.taken * self.place.clients;
        self.taken += 1;
        self.target.first + offset % self.target.records
    }

    fn new_body(&mut self) -> &mut Vec<u8> {
        self.body.clear();
        &mut self.body
    }

    fn get(&self, buffer: &mut Vec<u8>, path: fmt::Arguments<'_>) -> io::Result<()> {
        let (address, authorization) = (&self.target.address, &self.authorization);
        buffer.clear();
        write!(buffer, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}\r\n")
    }

    fn post(&self, buffer: &mut Vec<u8>, path: fmt::Arguments<'_>) -> io::Result<()> {
        let (address, authorization, length) = (&self.target.address, &self.authorization, self.body.len());
        buffer.clear();
        write!(
            buffer,
            "POST {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )?;
        buffer.extend_from_slice(&self.body);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(what: What, place: Place) -> Request {
        Request::new(Target { what, first: 100, records: 5, ..Target::updates("h:1", 5) }, place)
    }

    fn written(request: &mut Request) -> String {
        let mut buffer = b"an earlier request".to_vec();
        request.write(&mut buffer).unwrap();
        assert_eq!(answer::whole(&buffer), Some(buffer.len()));
        String::from_utf8(buffer).unwrap()
    }

    fn target_of(request: &mut Request) -> String {
        written(request).split(' ').nth(1).unwrap().to_owned()
    }

    #[test]
    fn every_request_says_how_long_its_body_is() {
        for what in What::value_variants() {
            written(&mut of(*what, Place::ALONE));
        }
        let mut buffer = Vec::new();
        of(What::Cycle, Place::ALONE).write_processed(7, &mut buffer).unwrap();
        assert_eq!(answer::whole(&buffer), Some(buffer.len()));
    }

    #[test]
    fn a_credential_stands_in_the_head_of_every_request_once() {
        const LINE: &str = "Authorization: Bearer ocs_1\r\n";
        for what in What::value_variants() {
            let text = written(&mut of(*what, Place::ALONE).bearing(LINE));
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            assert_eq!(format!("{head}\r\n").matches(LINE).count(), 1, "{text}");
            assert!(!written(&mut of(*what, Place::ALONE)).contains("Authorization"), "{what:?}");
        }
        let mut buffer = Vec::new();
        of(What::Cycle, Place::ALONE).bearing(LINE).write_processed(7, &mut buffer).unwrap();
        assert!(String::from_utf8(buffer).unwrap().contains(LINE));
    }

    #[test]
    fn an_update_has_277_bytes() {
        assert!(written(&mut of(What::Update, Place::ALONE)).contains("\r\nContent-Length: 277\r\n"));
    }

    #[test]
    fn the_clients_take_each_number_once_and_begin_anew_behind_the_last() {
        let mut clients = [0, 1].map(|client| of(What::CancelPhone, Place { client, clients: 2 }));
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.extend(clients.iter_mut().map(target_of));
        }
        let phone = |number: u64| format!("/phones/+999500000{number}?req=RequestRecordCancel");
        assert_eq!(taken, [100, 101, 102, 103, 104, 100].map(phone));
    }

    #[test]
    fn a_number_that_is_taken_again_makes_another_request() {
        let mut request =
            Request::new(Target { what: What::Processed, records: 1, ..Target::updates("h:1", 1) }, Place::ALONE);
        let (first, second) = (written(&mut request), written(&mut request));
        assert!(first.starts_with("POST /records/1?req=RecordProcessed ") && first != second, "{first}\n{second}");
    }

    #[test]
    fn every_client_is_another_agent_of_the_group() {
        let target = Target { what: What::Preview, group: "Bench@Agents".to_owned(), ..Target::updates("h:1", 1) };
        let mut request = Request::new(target, Place { client: 63, clients: 64 });
        let text = written(&mut request);
        assert!(text.starts_with("POST /campaigngroups/Bench@Agents?req=PreviewRecordRequest HTTP/1.1\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n{\"GSW_AGENT_ID\":\"agent-63\"}"), "{text}");
    }

    #[test]
    fn a_walk_goes_on_behind_each_page_and_begins_anew_behind_the_last() {
        let mut request = Request::new(
            Target { what: What::Page, list: "bench".to_owned(), ..Target::updates("h:1", 1) },
            Place::ALONE,
        );
        let target = "/api/v1/lists/bench/records?limit=100";
        assert_eq!(target_of(&mut request), target);
        request.note(b"HTTP/1.1 200 OK\r\n\r\n{\"items\":[{\"GSW_RECORD_HANDLE\":1}],\"next\":\"AQ_-\"}");
        assert_eq!(target_of(&mut request), format!("{target}&cursor=AQ_-"));
        request.note(b"HTTP/1.1 200 OK\r\n\r\n{\"items\":[]}");
        assert_eq!(target_of(&mut request), target);
    }

    #[test]
    fn a_page_is_answered_by_records_and_an_empty_one_by_none() {
        for (items, page, empty) in [(r#"{"GSW_RECORD_HANDLE":1}"#, true, false), ("", false, true)] {
            let answer = format!("HTTP/1.1 200 OK\r\n\r\n{{\"items\":[{items}]}}");
            let is_answered = |what| of(what, Place::ALONE).is_answered(answer.as_bytes());
            assert_eq!((is_answered(What::Page), is_answered(What::EmptyPage)), (page, empty), "{items}");
            assert_eq!(is_answered(What::ByPhone), page, "{items}");
        }
    }

    #[test]
    fn a_cancellation_is_answered_by_one_changed_record() {
        let request = of(What::CancelPhone, Place::ALONE);
        for (records, answered) in [(0, false), (1, true), (10, false)] {
            let answer = format!("HTTP/1.1 200 OK\r\n\r\n{{\"GSW_RECORDS\":{records},\"GSW_MESSAGE\":\"{records}\"}}");
            assert_eq!(request.is_answered(answer.as_bytes()), answered, "{records}");
        }
    }
}
