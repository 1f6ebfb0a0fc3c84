//! Examples of bodies and of names in paths, for the description of the interface.
//!
//! A test translates each of them, so that every example is one that the interface takes. Called by `openapi`.

use serde_json::{Value, json};

use crate::from_api::Operation;

/// A body that an operation takes; none: the operation needs no body.
pub(super) fn body(operation: Operation) -> Option<Value> {
    use Operation as Of;
    Some(match operation {
        Of::MakeList => json!({
            "name": "renewals",
            "time_zone": "Europe/Berlin",
            "customer_id": "CLIENT_ID",
            "attempts_max": 12,
            "fields": [{ "name": "CLIENT_ID", "type": "varchar(64)", "send_attribute": "client-id" }],
        }),
        Of::ChangeList => json!({ "attempts_max": 8 }),
        Of::AddRecord => json!({ "GSW_PHONE": phone(), "GSW_PHONE_TYPE": "Mobile", "client-id": "K-7" }),
        Of::PatchRecord => json!({ "GSW_FROM": 32_400, "GSW_UNTIL": 64_800 }),
        Of::Reschedule => json!({ "GSW_DATE_TIME": "12/24/2035 10:00", "GSW_CALLBACK_TYPE": "Campaign" }),
        Of::Cancel => json!({ "GSW_CHAIN_ATTR": "AllChain" }),
        Of::StopRecord => json!({ "GSW_MESSAGE": "asked by letter" }),
        Of::Processed => json!({ "GSW_CALL_RESULT": "Busy" }),
        Of::MakeCampaign => json!({ "name": "Renewals", "lists": [{ "list": "renewals", "weight": 10 }] }),
        Of::ChangeCampaign => json!({ "lists": [{ "list": "renewals", "weight": 5 }] }),
        Of::MakeGroup => json!({ "campaign": "Renewals", "group": "Agents", "desktop_chains_limit": 1 }),
        Of::Preview => json!({ "GSW_AGENT_ID": "ann" }),
        Of::Enter => json!({ "GSW_PHONE": phone(), "GSW_MESSAGE": "asked by letter" }),
        Of::EnterBatch => {
            let entry = json!({ "GSW_PHONE": phone(), "GSW_MESSAGE": "asked by letter" });
            json!({ "entries": [entry, { "GSW_CUSTOMER_ID": "K-7", "expires": 2_082_758_400 }] })
        }
        Of::Switchover => json!({ "to": "b" }),
        _ => return None,
    })
}

/// The value of a variable of a path.
pub(super) fn of_path(name: &str) -> Value {
    match name {
        "record_id" | "handle" => json!(1),
        "campaign" => json!("Renewals"),
        "id" => json!("Renewals@Agents"),
        _ => json!("renewals"),
    }
}

/// A phone of a country code without a country.
pub(super) fn phone() -> Value {
    json!("+99960000001")
}
