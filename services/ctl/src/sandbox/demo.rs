//! The campaign of a sandbox: a list of made-up customers, a campaign with its group, entries on Do-Not-Call, and a token. Each step may
//! be repeated: a start that was interrupted is completed by the next one. Called by `sandbox`.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ocs_proto::{
    control::{ControlGroupRequest, PlanDeclarationReply},
    outbound::{ApplyDeclaration, CreateToken, DoNotCallBatch, DoNotCallRow},
};
use outbound::{TOKEN_SECRET_BYTES, token_hash, token_text};

use super::home::Home;
use crate::{
    call::{self, CallError},
    cluster::{Client, Cluster},
    failure::Failure,
    import,
};

/// How long to look for a node that answers, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);
/// The declarations.
const CAMPAIGN: &str = include_str!("campaign.toml");
/// The list, and the campaign group.
pub(super) const LIST: &str = "customers";
pub(super) const GROUP: &str = "demo@demo";
/// Customers, each with two numbers.
const CUSTOMERS: u64 = 1_000;
/// Entries on Do-Not-Call: numbers of the first customers.
const STOPPED: u64 = 3;
/// The principal of the token.
const PRINCIPAL: &str = "sandbox";
/// Identifies the import: the same rows are not imported twice.
const IMPORT_ID: &[u8] = b"ocsctl sandbox customers";
/// Identifies the entries on Do-Not-Call.
const ENTRIES_ID: &[u8] = b"ocsctl sandbox entries";

const COLUMNS: [&str; 11] = [
    "record_id",
    "contact_info",
    "contact_info_type",
    "chain_id",
    "chain_n",
    "tz_dbid",
    "record_type",
    "dial_sched_time",
    "agent_id",
    "CLIENT_ID",
    "customer_name",
];

/// Makes the campaign where an earlier start has not made it.
pub(super) async fn ensure(cluster: &Cluster, home: &Home) -> Result<(), Failure> {
    if home.has_demo() {
        return Ok(());
    }
    eprintln!("making the campaign {GROUP} with its list {LIST}");
    home.write(&home.campaign(), CAMPAIGN)?;
    declare(cluster).await?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    import::made::import(cluster, LIST, IMPORT_ID, &COLUMNS, customers(now_s)).await?;
    stop_calls(cluster).await?;
    let token = token(home)?;
    admit(cluster, &token).await?;
    for request in ["LoadCampaign", "StartDialing"] {
        control_group(cluster, request).await?;
    }
    home.mark_demo()
}

async fn declare(cluster: &Cluster) -> Result<(), Failure> {
    let (declaration, _) = declarations::parse(CAMPAIGN).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(|fault| fault.in_file("campaign.toml")).collect();
        Failure::Refused(faults.join("; "))
    })?;
    let asked = ApplyDeclaration { declaration: Some(declaration), revision: 0, prune: false };
    let PlanDeclarationReply { revision, differences, faults } = plan(cluster, &asked).await?;
    if let Some(fault) = faults.first() {
        return Err(Failure::Refused(format!("campaign.toml: {}: {}", fault.path, fault.message)));
    }
    if differences.is_empty() {
        return Ok(());
    }
    let request = ApplyDeclaration { revision, ..asked.clone() };
    let attempt = |mut client: Client| {
        let request = request.clone();
        async move {
            let reply = client.apply_declaration(request).await.map_err(CallError::from)?;
            call::done(reply.into_inner().reply)
        }
    };
    let Err(failure) = cluster.on_any(RETRY_FOR, attempt).await else { return Ok(()) };
    // a refusal after an attempt without an answer: the attempt may have succeeded
    if plan(cluster, &asked).await?.differences.is_empty() { Ok(()) } else { Err(failure) }
}

async fn plan(cluster: &Cluster, asked: &ApplyDeclaration) -> Result<PlanDeclarationReply, Failure> {
    let ask = |mut client: Client| {
        let asked = asked.clone();
        async move { Ok(client.plan_declaration(asked).await?.into_inner()) }
    };
    cluster.on_any(RETRY_FOR, ask).await
}

/// Numbers of +999, a country code without a country: no customer has a real phone.
fn phone(number: u64) -> String {
    format!("+9997{number:07}")
}

/// Two numbers of a customer are a chain; every second customer lives in the other zone. The last record is a callback, due now, that
/// was promised to the agent ann.
fn customers(now_s: u64) -> impl Iterator<Item = Vec<String>> {
    let number = |customer: u64, n: u64| -> Vec<String> {
        let record = 2 * customer - 1 + n;
        let (kind, zone) = (if n == 0 { 1 } else { 4 }, 201 + customer % 2);
        let parts = [record.to_string(), phone(record), kind.to_string(), customer.to_string(), n.to_string()];
        let callback = [zone.to_string(), String::new(), String::new(), String::new()];
        parts.into_iter().chain(callback).chain(named(customer)).collect()
    };
    let promised = move || -> Vec<String> {
        let customer = CUSTOMERS + 1;
        let record = 2 * customer - 1;
        let parts = [record.to_string(), phone(record), "4".to_owned(), customer.to_string(), "0".to_owned()];
        let callback = ["202".to_owned(), "5".to_owned(), now_s.to_string(), "ann".to_owned()];
        parts.into_iter().chain(callback).chain(named(customer)).collect()
    };
    let numbers = (1..=CUSTOMERS).flat_map(move |customer| [number(customer, 0), number(customer, 1)]);
    numbers.chain(std::iter::once_with(promised))
}

fn named(customer: u64) -> [String; 2] {
    [format!("K-{customer}"), format!("Customer {customer}")]
}

async fn stop_calls(cluster: &Cluster) -> Result<(), Failure> {
    let row = |customer: u64| DoNotCallRow {
        phone: phone(2 * customer - 1),
        message: "asked by letter".to_owned(),
        ..DoNotCallRow::default()
    };
    let batch = DoNotCallBatch {
        import_id: ENTRIES_ID.to_vec().into(),
        first_row: 1,
        source: "ocsctl sandbox".to_owned(),
        rows: (1..=STOPPED).map(row).collect(),
        ..DoNotCallBatch::default()
    };
    let ask = |mut client: Client| {
        let batch = batch.clone();
        async move {
            let reply = client.enter_do_not_call(batch).await.map_err(CallError::from)?;
            call::imported(reply.into_inner().reply)
        }
    };
    cluster.on_any(RETRY_FOR, ask).await.map(|_| ())
}

/// The token of an earlier start, so that clients go on with it; else a new one.
fn token(home: &Home) -> Result<String, Failure> {
    let path = home.token();
    if let Ok(text) = fs::read_to_string(&path) {
        return Ok(text.trim().to_owned());
    }
    let secret: [u8; TOKEN_SECRET_BYTES] = rand::random();
    let text = token_text(&secret);
    home.write(&path, &format!("{text}\n"))?;
    Ok(text)
}

/// The same token again is acknowledged again.
async fn admit(cluster: &Cluster, token: &str) -> Result<(), Failure> {
    let request = CreateToken {
        hash: token_hash(token.as_bytes()).to_vec().into(),
        name: PRINCIPAL.to_owned(),
        note: "of ocsctl sandbox".to_owned(),
        scopes: ["read", "update"].map(str::to_owned).to_vec(),
        ..CreateToken::default()
    };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move {
            let reply = client.create_token(request).await.map_err(CallError::from)?;
            call::done(reply.into_inner().reply)
        }
    };
    cluster.on_any(RETRY_FOR, ask).await.map(|_| ())
}

async fn control_group(cluster: &Cluster, request: &str) -> Result<(), Failure> {
    let asked = ControlGroupRequest { group: GROUP.to_owned(), request: request.to_owned() };
    let ask = |mut client: Client| {
        let asked = asked.clone();
        async move {
            let reply = client.control_group(asked).await.map_err(CallError::from)?;
            call::done(reply.into_inner().reply)
        }
    };
    cluster.on_any(RETRY_FOR, ask).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_campaign_is_a_file_of_declarations_with_the_list_and_the_group() {
        let (declared, _) = declarations::parse(CAMPAIGN).map_err(|faults| format!("{faults:?}")).unwrap();
        assert_eq!(declared.lists[0].name, LIST);
        let group = &declared.campaign_groups[0];
        assert_eq!(format!("{}@{}", group.campaign, group.group), GROUP);
    }

    #[test]
    fn customers_have_two_numbers_each_and_one_callback_is_due() {
        let rows: Vec<Vec<String>> = customers(1_700_000_000).collect();
        assert_eq!(rows.len() as u64, 2 * CUSTOMERS + 1);
        assert!(rows.iter().all(|row| row.len() == COLUMNS.len()));
        for column in [0, 1] {
            assert_eq!(rows.iter().map(|row| &row[column]).collect::<BTreeSet<_>>().len(), rows.len(), "{column}");
        }
        assert_eq!(rows[0], ["1", "+99970000001", "1", "1", "0", "202", "", "", "", "K-1", "Customer 1"]);
        assert_eq!(rows[1][..5], ["2", "+99970000002", "4", "1", "1"]);
        let last = rows.last().unwrap();
        assert_eq!(last[..9], ["2001", "+99970002001", "4", "1001", "0", "202", "5", "1700000000", "ann"]);
    }

    #[test]
    fn a_token_stays_over_starts() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::make(dir.path()).unwrap();
        let first = token(&home).unwrap();
        assert!(outbound::holds_token(&first) && token(&home).unwrap() == first);
    }
}
